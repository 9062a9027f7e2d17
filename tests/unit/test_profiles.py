"""Venue profiles: each claim has its evidence, and each key that the reader uses decides a meaning."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway import resources
from gateway._fastcore import read_message

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
OURS = ("copygate42", "copygate44", "copygate50sp2")
NAMES = sorted(path.stem for path in resources.profiles().glob("*.toml"))
CAREFUL = "not shown by a sample: careful value"
CAREFUL_VALUES: dict[str, list[Any]] = {
    "recovery": ["none"],
    "query_covers": ["working"],
    "bust_cum": ["kept"],
    "account_on_order": [False],
    "handl_inst_21": [True],
    "bust_style": ["exec_trans_type"],
    "exec_trans_type": ["trust"],
}
"""What a key must say where neither a sample nor a specification does."""


@cache
def samples() -> dict[str, bytes]:
    """Messages by id, and sequence ids without bytes; a missing folder is a failure with a hint."""
    assert (DATA / "messages.jsonl").is_file(), f"test data missing: put the shared data folder at {DATA}"
    found: dict[str, bytes] = {}
    for name in ("messages.jsonl", "sequences.jsonl"):
        for line in (DATA / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found[row["id"]] = row.get("raw", "").replace("|", "\x01").encode() + b"\x01"
    return found


def profile(name: str, **changes: object) -> str:
    """A profile as the core takes it, with changes."""
    values = tomllib.loads((resources.profiles() / f"{name}.toml").read_text(encoding="utf-8"))
    return json.dumps({**values, **changes})


def claims(name: str) -> list[tuple[str, Any, str]]:
    """(key, value, comment above it) of a profile."""
    text = (resources.profiles() / f"{name}.toml").read_text(encoding="utf-8")
    found: list[tuple[str, Any, str]] = []
    section, comment = "", ""
    for line in text.splitlines():
        if line.startswith("#"):
            comment += " " + line.removeprefix("#").strip()
            continue
        section = line.strip("[]") + "." if line.startswith("[") else section
        if " = " in line and not line.startswith("name = "):
            values = tomllib.loads(line)
            key = next(iter(values))
            found.append((section + key, values[key], comment.strip()))
        comment = ""
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_names_its_evidence(name: str) -> None:
    """A sample, a specification, or that there is none; our own dialect is what we say it is."""
    for key, _, comment in claims(name):
        if name in OURS:
            assert "ur dialect" in comment, key
        else:
            named = [sample for sample in samples() if re.search(rf"\b{re.escape(sample)}\b", comment)]
            assert named or "Spec: " in comment or CAREFUL in comment.lower(), (key, comment)


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_that_is_named_exists(name: str) -> None:
    """A renamed sample, or one that never was, is found."""
    text = (resources.profiles() / f"{name}.toml").read_text(encoding="utf-8")
    heads = {sample.split("-")[0] for sample in samples()}
    comments = " ".join(line for line in text.splitlines() if line.startswith("#"))
    for word in re.findall(r"(?<![\w./])[a-z0-9]+(?:-[A-Za-z0-9_]+)+(?![\w/-])", comments):
        if word.split("-")[0] in heads and word != "binance-spot-api-docs":
            assert word in samples(), word


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(OURS)))
def test_what_nothing_shows_is_careful(name: str) -> None:
    """No recovery, queries that prove nothing, nothing supported, unless something says so."""
    stated = {key: (value, comment) for key, value, comment in claims(name)}
    assert {"quantity_unit", "order_key", "fill_key", "recovery", "query_covers"} <= set(stated)
    for key, (value, comment) in stated.items():
        if comment.lower().endswith(f"{CAREFUL}.") and "Others" not in comment and "Longer" not in comment:
            usual: list[Any] = [False, [], ["market"], ["ioc"]]
            assert value in CAREFUL_VALUES.get(key, usual), key


READS = [
    # (profile, key, another value, sample, field, what it is, what it would be)
    ("ctrader", "fill_px", "last", "ctrader-roe-fill", "last_px", "1.0674", None),
    ("ctrader", "account_field", "tag1", "ctrader-live-new-eurjpy", "account", "demo.ctrader.3697899", None),
    ("ctrader", "position_id_tag", 702, "ctrader-live-pos-1", "position_id", "47888826", "1"),
    ("ctrader", "order_key", "cl_ord_id", "ctrader-roe-replaced", "order_key", "629", "Is03AvsknNYK"),
    ("fxcm", "position_id_tag", 721, "fxcm-doc-8-225010828", "position_id", "89061181", None),
    ("fxcm", "account_field", "none", "fxcm-doc-8-225010828", "account", "01537581", None),
    ("fxcm", "account_values", {"balance": 900}, "fxcm-doc-ba-acct", "balance", "1000562.37", None),
    ("exberry", "account_field", "tag1", "exberry-er-112", "account", "JPM-1", None),
    ("exberry", "account_field", {"party": 12}, "exberry-er-181", "account", "JPM-1", "ACC3"),
    ("exberry", "multileg", "legs", "exberry-er-183", "type", "ignored", "execution"),
    ("exberry", "multileg", "legs", "exberry-er-181", "type", "execution", "ignored"),
    ("exberry", "order_key", "cl_ord_id", "exberry-er-209", "order_key", "52", "1762955230133"),
    ("cme", "symbol_tag", 55, "qf-cme-fill", "symbol", "ESH5", "ES"),
    ("cme", "order_key", "cl_ord_id", "cme-seq8", "order_key", "9973591975", "91001008"),
    ("cme", "fill_px", "avg", "qf-cme-fill", "last_px", "208700", "0"),
    ("nyse-ccg", "fill_px", "avg", "nyse-ccg-fill", "last_px", "25.48", "0"),
    ("cqg", "order_key", "cl_ord_id", "cqg-status-fill", "order_key", "375260011", "Order10325"),
    ("cqg", "account_field", "none", "cqg-status-fill", "account", "10168929", None),
    ("quickfix-executor", "time_source", "transact_time", "banzai-fill", "transact_ns",
     "1352157882000000000", None),
    ("quickfix-executor", "order_key", "order_id", "banzai-fill", "order_key", "1352157882577", "2"),
    ("bloomberg-tsox", "symbol_tag", 55, "tsox-tbill-fill", "symbol", "912796KX6", "[N/A]"),
    ("alpaca", "account_field", "none", "alpaca-fill", "account", "TEST_ACCOUNT", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "key", "other", "sample", "what", "is_", "would_be"), READS)
def test_a_key_decides_what_a_real_message_means(
    name: str, key: str, other: object, sample: str, what: str, is_: object, would_be: object
) -> None:
    """The venue's own message under its profile, and under the profile with that one key changed."""
    raw = samples()[sample]
    assert json.loads(read_message(raw, profile(name)))[what] == is_
    assert json.loads(read_message(raw, profile(name, **{key: other})))[what] == would_be


def test_the_page_says_what_the_files_say() -> None:
    """docs/reference/profiles.md is made from the profiles; a change without it is found."""
    script = ROOT / "fix_specs" / "profile_page.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, "run: python fix_specs/profile_page.py"


def test_every_key_of_the_core_is_on_the_page() -> None:
    """The page's first table and the core's own structure have the same keys."""
    source = (ROOT / "fastcore" / "src" / "profile.rs").read_text(encoding="utf-8")
    nested = {"ClOrdIdRule": "cl_ord_id.", "Supports": "supports.", "AccountValues": "account_values."}
    keys: set[str] = set()
    for name, body in re.findall(r"pub struct (\w+) \{(.*?)\n\}", source, flags=re.DOTALL):
        if name == "Profile" or name in nested:
            keys |= {
                nested.get(name, "") + key for key in re.findall(r"^    pub (\w+):", body, flags=re.MULTILINE)
            }
    keys -= {"cl_ord_id", "supports", "account_values"}
    page = (ROOT / "docs" / "reference" / "profiles.md").read_text(encoding="utf-8").split("## Profiles")[0]
    assert set(re.findall(r"^\| `([a-z0-9_.]+)` \|", page, flags=re.MULTILINE)) == keys


def test_what_nothing_reads_yet_is_read_by_nothing() -> None:
    """Whoever sets a key reads in the table whether it does anything; the core's sources say so too."""
    page = (ROOT / "docs" / "reference" / "profiles.md").read_text(encoding="utf-8").split("## Profiles")[0]
    idle = re.findall(r"^\| `([a-z0-9_.]+)` \|.*\| nothing yet \|$", page, flags=re.MULTILINE)
    # What refuses a number that means nothing does nothing by it.
    others = {"profile.rs", "numbers.rs"}
    sources = [path for path in (ROOT / "fastcore" / "src").rglob("*.rs") if path.name not in others]
    core = "".join(path.read_text(encoding="utf-8") for path in sources)
    assert idle
    assert [key for key in idle if re.search(rf"\b(?:p|profile)\.{re.escape(key)}\b", core)] == []
