"""Writes the parts of the reference pages that the code knows: configuration keys, profiles,
refusal codes, alerts, execution reports, words of the audit log.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; all else of a page is written by hand.

Run: `python tools/reference.py`; with `--check` it only says what differs, as a diff.
"""

from __future__ import annotations

import difflib
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from execution_pairs import execution_reports, execution_reports_old
from limit_examples import limit_examples
from reference_keys import cell, row, sections

from gateway import mirror_texts
from gateway.alert_texts import MEANS, PROCESSES
from gateway.alerts import ADVICE, PLAIN, advice
from gateway.refusal_texts import REASONS

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = Path("docs", "reference")
PART = re.compile(r"(?<=<!-- generated: )(?P<name>[a-z-]+) -->\n.*?<!-- end -->", re.DOTALL)
CODE = re.compile(r'^    [A-Z]\w+ = "([a-z_]+)",$', re.MULTILINE)
WORD = re.compile(r'^        [A-Z]\w+ = "([a-z_]+)",$', re.MULTILINE)
KEY_DEFAULT = re.compile(r"^\| `([a-z0-9_.]+)` \| [^|]* \| ([^|]*) \|", re.MULTILINE)
COLUMNS: Mapping[str, str] = {
    "begin_string": "session",
    "quantity_unit": "1 in OrderQty is",
    "position_model": "positions",
    "order_types": "order types",
    "tifs": "times in force",
    "supports.replace": "replace",
    "recovery": "recovery",
    "query_covers": "queries know",
    "time_source": "age by",
}
"""Keys that say what can be done with a venue; all others are in its own table."""
QUERIES: Mapping[str, str] = {
    "status_request": "H",
    "mass_status": "AF",
    "positions": "AN",
    "account_inquiry": "BB",
}
"""Requests under `supports` and their MsgType(35)."""


def refusal_codes() -> str:
    """Every code of the core, in its order, in the words that screens have."""
    codes = CODE.findall((ROOT / "fastcore" / "src" / "refusal.rs").read_text(encoding="utf-8"))
    if not codes or set(codes) != set(REASONS):
        raise SystemExit(f"refusal.rs and refusal_texts.py differ in: {sorted(set(codes) ^ set(REASONS))}")
    return (
        row("code", "in words") + "|---|---|\n" + "".join(row(f"`{code}`", REASONS[code]) for code in codes)
    )


def mirror_words() -> str:
    """What a step of a mirror can be, and why, in the words that screens have."""
    source = (ROOT / "fastcore" / "src" / "mirrored.rs").read_text(encoding="utf-8")
    parts = source.partition("    Why {")[::2]
    out = []
    for name, part, words in zip(
        ("act", "why"), parts, (mirror_texts.ACTS, mirror_texts.REASONS), strict=True
    ):
        found = WORD.findall(part)
        if not found or set(found) != set(words):
            raise SystemExit(f"mirrored.rs and mirror_texts.py differ in: {sorted(set(found) ^ set(words))}")
        table = [row(f"`{name}`", "in words"), "|---|---|\n", *(row(f"`{one}`", words[one]) for one in found)]
        out.append("".join(table))
    return "\n".join(out)


def alert_codes() -> str:
    """Every alert of the core: what it means and what to do."""
    if MEANS.keys() != ADVICE.keys() | PLAIN:
        differ = sorted(MEANS.keys() ^ (ADVICE.keys() | PLAIN))
        raise SystemExit(f"alerts.py and alert_texts.py differ in: {differ}")
    done = "nothing: it says what was done"
    lines = [row(f"`{code}`", MEANS[code], advice(code) or done) for code in sorted(MEANS)]
    return row("code", "what it means", "what to do") + "|---|---|---|\n" + "".join(lines)


def alert_events() -> str:
    """Every alert of processes and sessions."""
    lines = [row(f"`{event}`", means, advice) for event, (means, advice) in sorted(PROCESSES.items())]
    return row("event", "what it means", "what to do") + "|---|---|---|\n" + "".join(lines)


def profile_defaults() -> dict[str, str]:
    """What a profile has that does not say it, by the table of keys; a test compares it with the core."""
    page = (ROOT / REFERENCE / "profiles.md").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for key, default in KEY_DEFAULT.findall(page.partition("## Profiles\n")[0]):
        found.setdefault(key, default)
    return found


def profile_table() -> str:
    """Every profile that ships, one row each, with defaults filled in."""
    defaults = profile_defaults()
    names = ["profile", *COLUMNS.values()]
    names.insert(names.index("replace"), "answers")
    out = [row(*names), "|---" * len(names) + "|\n"]
    for path in sorted((ROOT / "fix_specs" / "profiles").glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        cells = [_profile_value(values, key, defaults) for key in COLUMNS]
        answers = [
            kind
            for key, kind in QUERIES.items()
            if _profile_value(values, f"supports.{key}", defaults) == "yes"
        ]
        cells.insert(names.index("answers") - 1, ", ".join(answers) or "nothing")
        out.append(row(f"[{path.stem}](#{path.stem})", *cells))
    return "".join(out)


def _profile_value(values: Mapping[str, Any], key: str, defaults: Mapping[str, str]) -> str:
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None:
        return {"true": "yes", "false": "no"}.get(defaults[key], defaults[key])
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, list):
        return cell(", ".join(str(item) for item in found)) or "none"
    return cell(str(found))


PAGES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "audit-log.md": {"mirror-words": mirror_words},
    "alerts.md": {"alert-codes": alert_codes, "alert-events": alert_events},
    "configuration-keys.md": {"configuration-keys": sections},
    "execution-reports.md": {
        "execution-reports": execution_reports,
        "execution-reports-old": execution_reports_old,
    },
    "limits.md": {"limit-examples": limit_examples},
    "profiles.md": {"profiles": profile_table},
    "refusals.md": {"refusal-codes": refusal_codes},
}
"""The parts of each page, and what makes them."""


def fresh(name: str, page: str, text: str) -> str:
    """`text` of a page with its parts made anew. A part that it lacks, or has twice, is an error."""
    makers = PAGES[name]
    if sorted(part["name"] for part in PART.finditer(text)) != sorted(makers):
        raise SystemExit(f"{page}: needs each of these parts once: {', '.join(makers)}")
    return PART.sub(lambda part: f"{part['name']} -->\n\n{makers[part['name']]()}\n<!-- end -->", text)


def main(arguments: Sequence[str]) -> int:
    """Writes the pages, or with `--check` prints what differs; 1 when something does."""
    differs = False
    for name in PAGES:
        page = (REFERENCE / name).as_posix()
        text = (ROOT / page).read_text(encoding="utf-8")
        wanted = fresh(name, page, text)
        if "--check" in arguments:
            lines = text.splitlines(keepends=True), wanted.splitlines(keepends=True)
            diff = list(difflib.unified_diff(*lines, fromfile=page, tofile=f"{page} (generated)"))
            sys.stdout.writelines(diff)
            differs = differs or bool(diff)
        elif text != wanted:
            (ROOT / page).write_text(wanted, encoding="utf-8")
            print(f"{page}: written")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
