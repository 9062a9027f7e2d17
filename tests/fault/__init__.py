"""Breaks a running deployment on purpose, by a seed, and lets the brokers' own books judge it."""
