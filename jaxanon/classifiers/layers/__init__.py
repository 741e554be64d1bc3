"""Layers for inference, and how a PyTorch state dict holds them."""
