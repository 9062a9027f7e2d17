"""A reference model of the copy semantics, written from the design and not from the core."""
