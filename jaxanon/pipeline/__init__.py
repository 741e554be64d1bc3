"""A run over images: read, anonymize, adapt, save, verify, record."""
