"""Adaptation: gradient steps on the anonymized image until each source makes its reference decision.

Nothing in this package takes the original's pixels, or imports a module that reads them: it sees
anonymized pixels, masks and decisions alone.
"""
