"""Evaluation: what classifiers decide on images that others have changed."""
