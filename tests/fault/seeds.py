"""Seeds that are kept."""

from __future__ import annotations

FOUND = {
    16: "a route hung for ever: it sent from inside QuickFIX's log",
    28: "a clock that was put back stopped timers, and opens for as long",
    144: "rows that were lost on a link that lives were never asked for",
    194: "two threads' readings of a clock that was put back counted as time that passed",
    75: "a route that was stopped for longer than orphan_ms was never linked again",
}
"""Seeds that found a defect, and which (decision 0020)."""
IN_EVERY_TEST = "1..16,28,75,144,194"
"""What `make test` plays: twenty, and those that found something among them."""
