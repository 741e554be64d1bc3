"""What published images tell of the originals, measured."""
