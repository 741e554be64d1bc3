"""How an image is hidden: one module per anonymizer."""
