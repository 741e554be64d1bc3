"""Evaluation: what classifiers make of images that others have changed."""
