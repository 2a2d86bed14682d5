"""Decide what to train next and whether it may be released."""
