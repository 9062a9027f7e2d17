"""Checks that every relative link in the documents leads to a file that exists, and to a heading of it."""

from __future__ import annotations

import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
HEADING = re.compile(r"#+ (.+)")
ROOT = Path(__file__).resolve().parents[1]


def broken_links(document: Path) -> list[str]:
    """Returns one line for each relative link of `document` that leads nowhere."""
    found = []
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
        for _, target in LINK.findall(line):
            path, _, heading = target.partition("#")
            if ":" in path:
                continue
            file = document.parent / path if path else document
            if not file.exists():
                found.append(f"{_shown(document)}:{number}: {target}: no such file")
            elif heading and file.suffix == ".md" and heading not in headings(file):
                found.append(f"{_shown(document)}:{number}: {target}: no such heading")
    return found


@cache
def headings(document: Path) -> frozenset[str]:
    """The fragments that the headings of a page have where it is rendered."""
    found = Counter[str]()
    code = False
    for line in document.read_text(encoding="utf-8").splitlines():
        code ^= line.startswith("```")
        if not code and (title := HEADING.fullmatch(line)):
            words = LINK.sub(r"\1", title[1]).lower()
            name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            found[name] += 1
    return frozenset(f"{name}-{n}" if n else name for name, times in found.items() for n in range(times))


def _shown(document: Path) -> Path:
    return document.relative_to(ROOT) if document.is_relative_to(ROOT) else document


def main() -> int:
    """Prints broken links; 0 when there are none, else 1."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "fix_specs").rglob("*.md")]
    broken = [line for document in sorted(documents) for line in broken_links(document)]
    print("\n".join([*broken, f"{len(documents)} documents, {len(broken)} broken links"]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
