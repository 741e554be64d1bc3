"""Adaptation: gradient steps on an anonymized image until each source decides as on the original.

Nothing in this package takes the original's pixels, or imports a module that reads them: it sees
anonymized pixels, masks and decisions alone.
"""
