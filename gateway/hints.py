"""Hints for a person who wrote a word that nothing knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

NAME_CUTOFF, CHOICE_CUTOFF = 0.6, 0.75
"""How alike two words are, 0 to 1, before one is offered for the other. FIX.5.0SP2 is not FIX.4.2."""


def nearest(word: str, choices: Iterable[str], cutoff: float) -> str:
    """A hint that names the nearest choice; empty when none is near."""
    known = list(choices)
    # Other capitals are the nearest of all; difflib finds nothing alike in `gold` and `GOLD`.
    near = [choice for choice in known if choice.casefold() == word.casefold()]
    near = near or difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return f"Did you mean {near[0]!r}?" if near else ""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A hint that names the nearest choice, or lists them when there are few."""
    known = list(dict.fromkeys(choices))
    near = nearest(word, known, NAME_CUTOFF)
    if near or not known:
        return near
    return f"Known: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}."
