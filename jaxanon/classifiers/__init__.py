"""Frozen pretrained networks: architectures, weights, and the table that names them."""
