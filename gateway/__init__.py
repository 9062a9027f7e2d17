"""Copygate: a copy-trading FIX gateway. The shells around the deciding core."""

__version__ = "0.4.0"
