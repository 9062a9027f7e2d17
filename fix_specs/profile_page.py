"""Writes the second part of docs/reference/profiles.md: every profile with its evidence.

The evidence is the comment above each key in `profiles/*.toml`.

Run: `python fix_specs/profile_page.py`; with `--check` it only says whether the page is up to date.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "reference" / "profiles.md"
MARK = "## Profiles\n"
"""What stands above it is written by hand."""
INTRODUCTION = """
Evidence is a real message of the venue, by its name in the test data, or the venue's public specification
("Spec"). What neither shows has the most careful value: no recovery, queries that prove nothing, nothing
supported. Keys that are not listed have their default.
"""


def evidence(text: str) -> list[tuple[str, str, str]]:
    """(key, value, comment above it) of every line of a profile but its name, in order."""
    found: list[tuple[str, str, str]] = []
    section, comment = "", ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif line.startswith("#"):
            comment += " " + line.removeprefix("#").strip()
            continue
        elif " = " in line:
            key, value = line.split(" = ", 1)
            key = section + key
            if key != "name":
                found.append((key, value, comment.strip()))
        comment = ""
    return found


def page() -> str:
    """The whole document: the part by hand, and the part that is made."""
    head, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    out = [head, MARK, INTRODUCTION]
    for path in sorted((FOLDER / "profiles").glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        tomllib.loads(text)
        head = " ".join(line.removeprefix("#").strip() for line in text.split("name = ")[0].splitlines())
        out.append(f"\n### {path.stem}\n\n{head}\n\n| key | value | evidence |\n|---|---|---|\n")
        for key, value, comment in evidence(text):
            out.append(f"| `{key}` | `{value.strip(chr(34))}` | {comment} |\n")
    return "".join(out)


def main() -> int:
    """Writes or checks the page."""
    wanted = page()
    if "--check" in sys.argv:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted
        print(json.dumps({"page": PAGE.name, "up_to_date": same}))
        return 0 if same else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
