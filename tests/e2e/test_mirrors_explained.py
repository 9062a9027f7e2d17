"""Mirrored orders are explained over real FIX sessions: by the audit log, and by the command's own words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.store import read_entries
from tests.e2e import recompute_mirror
from tests.e2e.test_mirrors import SYMBOL, ask, limit, mirrored, protected, read, until_all
from tests.e2e.trading import BACK_MS, TRADE_MS, Run, started

ROOT = Path(__file__).parents[2]
REFUSES = "f6"
"""Its position may be 0.08 lots, and the order is worth more: `max_position`."""

ACTS = ("place", "replace", "cancel")
COMMAND_S = 30
WIDE = "400"
"""Columns: no line is folded."""


def steps(run: Run) -> list[dict[str, Any]]:
    """Every step of a mirror in the audit log so far."""
    entries = [json.loads(data) for _, data in read_entries(run.deployment.state / "audit")]
    return [entry for entry in entries if entry["kind"] == "mirror"]


def of(run: Run, act: str, cl_ord_id: str, follower: str) -> list[dict[str, Any]]:
    """What was done for a follower about an order of the leader's, by his newest name of it."""
    names = {"act": act, "cl_ord_id": cl_ord_id, "follower": follower}
    return [entry for entry in steps(run) if all(entry[name] == value for name, value in names.items())]


def told(run: Run, exec_id: str, follower: str, *words: str) -> str:
    """What `copygate explain` prints."""
    command = [sys.executable, "-m", "gateway", "explain", exec_id, follower]
    done = subprocess.run(
        [*command, "--state", str(run.deployment.state), *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": WIDE},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def acts(run: Run, exec_id: str, follower: str) -> list[str]:
    """The same as names, from its JSON; without what waited for a word of the broker that was on its way."""
    found = [json.loads(line)["act"] for line in told(run, exec_id, follower, "--json").splitlines()]
    return [act for act in found if act != "wait"]


@pytest.mark.slow
def test_a_mirrored_order_is_explained_by_the_leaders_reports(tmp_path: Path) -> None:
    """Placed, replaced, cancelled for five followers, refused for the sixth: each by the ExecID of the report
    that asked for it, and by numbers that lead to what the brokers got."""
    with started(tmp_path, 6, 2, mirrored, trades=False) as run:
        run.until("no prices", TRADE_MS, lambda: SYMBOL in run.parties.leader.broker.quotes)
        names = {one.account for one in run.deployment.followers if one.name != REFUSES}
        ask(run, "D", "W1", 2, limit("0.5"))
        until_all(run, "not placed", names, lambda o: o.px == Decimal("0.5"))
        ask(run, "G", "W2", 4, limit("0.6", "W1"))
        until_all(run, "not replaced", names, lambda o: o.px == Decimal("0.6"))
        ask(run, "F", "W3", 4, limit("0.6", "W2"))
        until_all(run, "not cancelled", set(), lambda _: True)
        run.until(
            "not told to the end", BACK_MS, lambda: all(of(run, "over", "W3", f"f{n}") for n in range(1, 6))
        )
        explained(run)
        refused(run)
        recomputed(run)
        documented(run)


def explained(run: Run) -> None:
    """Every report of the leader's by its ExecID, for one follower."""
    (placed,), (replaced,), (canceled,) = (
        of(run, act, name, "f1") for act, name in (("place", "W1"), ("replace", "W2"), ("cancel", "W3"))
    )
    assert acts(run, placed["exec_id"], "f1") == ["place"]
    assert acts(run, replaced["exec_id"], "f1")[:1] == ["replace"]
    assert acts(run, canceled["exec_id"], "f1")[-3:] == ["cancel", "ended", "over"]
    words = told(run, placed["exec_id"], "f1")
    assert "Size: 0.5 x 200000 = 100000 units." in words
    assert (
        f"So an order was placed, {placed['to']['cl_ord_id']}: buy 100000 units (1 lots), limit 0.5" in words
    )
    words = told(run, replaced["exec_id"], "f1<alpha")
    assert f"The order {placed['to']['cl_ord_id']}: buy 100000 units (1 lots), limit 0.5" in words
    assert "buy 200000 units (2 lots), limit 0.6, good till cancel: quantity or terms" in words


def refused(run: Run) -> None:
    """The sixth is told what the limit was, and what it was compared with."""
    (refusal,) = of(run, "refuse", "W1", REFUSES)
    assert (refusal["code"], refusal["to"]) == ("max_position", None)
    words = told(run, refusal["exec_id"], REFUSES)
    numbers = refusal["refusals"][0]
    assert f"max_position: position too large (limit {numbers['limit']}, value {numbers['value']})." in words
    assert "nothing passed." in words
    assert "So no order was made" in words


def recomputed(run: Run) -> None:
    """By other arithmetic than the core's, and compared with the orders that the brokers have."""
    sent = [entry for entry in steps(run) if entry["to"] is not None]
    for entry in sent:
        to = entry["to"]
        assert recompute_mirror.units(entry) == Fraction(entry["size"]["units"])
        if entry["act"] == "cancel":
            assert to["qty"] is None
            continue
        assert recompute_mirror.qty(entry) == Fraction(to["qty"])
        px, stop_px = (Fraction(to[name]) if to[name] is not None else None for name in ("px", "stop_px"))
        assert recompute_mirror.terms(entry) == (px, stop_px)
    names = {act: [one["to"]["cl_ord_id"] for one in sent if one["act"] == act] for act in ACTS}
    assert [len(set(names[act])) for act in ACTS] == [len(names[act]) for act in ACTS] == [5, 5, 5]
    # An order has the name of the newest request at its broker.
    orders = [order.cl_ord_id for server in run.parties.brokers for order in read(server)]
    assert sorted(orders) == sorted(names["cancel"])


def documented(run: Run) -> None:
    """Every field and word of an entry is on the page about the audit log."""
    page = (ROOT / "docs" / "reference" / "audit-log.md").read_text(encoding="utf-8")
    missing = {name for entry in steps(run) for name in names_in(entry) if f"`{name}`" not in page}
    assert not missing


def names_in(value: Any) -> Iterator[str]:
    """Names of fields, and of those of parts."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from names_in(part)


@pytest.mark.slow
def test_a_protecting_stop_is_explained(tmp_path: Path) -> None:
    """The leader opens, and his stop protects; moved beyond the market it closes everybody."""
    with started(tmp_path, 4, 2, mirrored, trades=False) as run:
        run.until("no prices", TRADE_MS, lambda: SYMBOL in run.parties.leader.broker.quotes)
        names = {one.account for one in run.deployment.followers}
        before = run.fills()
        ask(run, "D", "W5", 2, limit("9"))
        run.until("not filled", BACK_MS, lambda: run.fills() >= before + len(names))
        until_all(run, "still working", set(), lambda _: True)
        protected(run, names)
        run.until(
            "not told", BACK_MS, lambda: bool(of(run, "place", "S1", "f1") and of(run, "replace", "S2", "f1"))
        )
        (placed,) = of(run, "place", "S1", "f1")
        words = told(run, placed["exec_id"], "f1")
        assert "It closes. Of 100000 units the same share" in words
        assert "sell 100000 units (1 lots), stop 0.4" in words
        for entry in (one for one in steps(run) if one["act"] in ("place", "replace")):
            assert recompute_mirror.qty(entry) == Fraction(entry["to"]["qty"]), entry
