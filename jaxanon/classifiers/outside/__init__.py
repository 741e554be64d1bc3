"""Classifiers from outside: files, functions and services that are asked, and never looked into.

They are targets: their decisions on originals, anonymized and saved images are on record, and
nothing follows their gradients.
"""
