"""Convolutions and pools, each in the form that is fastest for its backend and shape."""
