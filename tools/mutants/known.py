"""Names of mutants that hold no line, and the list of those that change nothing anybody can see."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from .source import Mutant

LIST = Path(__file__).parent / "equivalent.toml"


def name(mutants: Iterable[Mutant]) -> None:
    """Gives each its key: its file and change without the place; `#2` is the second of equals in the file."""
    seen: Counter[str] = Counter()
    for mutant in mutants:
        change = f"{mutant.file}: {mutant.name.split(': ', 1)[1]}"
        seen[change] += 1
        mutant.key = change if seen[change] == 1 else f"{change} #{seen[change]}"


def equivalent(text: str) -> dict[str, str]:
    """Why each mutant of the list is none, by its key."""
    return {
        f"{file}: {change}": why for file, of in tomllib.loads(text).items() for change, why in of.items()
    }


def wrong(mutants: list[Mutant], how: dict[str, str], listed: dict[str, str]) -> list[str]:
    """What speaks against the tests, or against the list, in lines; `how` each mutant ended, by its key."""
    missed = [m for m in mutants if how[m.key] in ("survived", "not reached") and m.key not in listed]
    lines = [
        f"{how[mutant.key]}: {mutant.name}" + "".join(mutant.key.partition(" #")[1:]) for mutant in missed
    ]
    files = {mutant.file for mutant in mutants}
    for key in (key for key in listed if key.split(": ", 1)[0] in files):
        if how.get(key) not in ("survived", "not reached"):
            lines.append(f"listed as equivalent, but {how.get(key, 'no mutant')}: {key}")
    return lines
