"""Checks that every relative link in the documents leads to a file that exists."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ROOT = Path(__file__).resolve().parents[1]


def broken_links(document: Path) -> list[str]:
    """Returns one line for each relative link of `document` that leads nowhere."""
    found = []
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
        for target in LINK.findall(line):
            path = target.split("#", 1)[0]
            if not path or ":" in path:
                continue
            if not (document.parent / path).exists():
                found.append(f"{document.relative_to(ROOT)}:{number}: {target}: no such file")
    return found


def main() -> int:
    """Prints broken links; 0 when there are none, else 1."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "fix_specs").rglob("*.md")]
    broken = [line for document in sorted(documents) for line in broken_links(document)]
    print("\n".join([*broken, f"{len(documents)} documents, {len(broken)} broken links"]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
