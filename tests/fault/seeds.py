"""Seeds that are kept."""

from __future__ import annotations

IN_EVERY_TEST = "1..20"
"""What `make test` plays."""
FOUND: dict[int, str] = {16: "", 28: "", 75: ""}
"""Seeds that found a defect (decision 0020), and the kinds that they were played with; empty: all."""
