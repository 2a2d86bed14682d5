"""Headway: the math of frontier AI made executable."""

__version__ = "0.1.0"
