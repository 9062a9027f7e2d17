"""`copygate explain` of a mirrored order: each step in words, with the numbers of the log."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from gateway.audit.cli import app
from gateway.audit.entry import from_replay
from gateway.audit.explain import Context
from gateway.audit.explain_mirror import HEARD, explain
from gateway.audit.store import Store, day_files
from gateway.mirror_texts import ACTS, REASONS
from tests.unit.audit_rows import T0_NS, Row, decision
from tests.unit.test_explain import entry, line

ROOT = Path(__file__).parents[2]
QUANTA = 10**18
KNOWN = Context({"sizing": {"mode": "multiplier", "k": "0.5"}}, {"contract_size": "100000"})
GTC = {"tif": "gtc", "expire_ns": None}
LIMIT = {"order_type": "limit", "px": "1.0824", "stop_px": None, **GTC}
MINE = {"order_type": "limit", "px": "1.082", "stop_px": None, **GTC}

LEADER = (
    "alpha's order W1 / O3: buy EURUSD, limit 1.0824, good till cancel; it may still fill 20000 units."
    " He holds 0."
)
PLACED = (
    "So an order was placed, C1: buy 10000 units (0.1 lots), limit 1.082, good till cancel:"
    " it is the first order for the leader's."
)


def step(act: str, why: str, **fields: Any) -> dict[str, Any]:
    """An entry as the core says it; the leader's limit buy of 20000 is worth 10000 here, in steps of 1000."""
    whole: dict[str, Any] = {
        "kind": "mirror", "journal": "70", "at_ns": str(T0_NS), "leader": "alpha", "follower": "f1",
        "subscription": "f1<alpha", "instrument": "EURUSD", "order_id": "O3", "cl_ord_id": "W1",
        "exec_id": "E7", "report": "70", "cause": "leader", "cause_exec_id": "E7", "begun": "70",
        "act": act, "why": why, "side": "buy", "step": "1000", "code": None, "refusals": [],
        "leader_order": {"side": "buy", "left": "20000", "ended": False, "position": "0", **LIMIT},
        "between": {"ahead": "0", "refused": "0", "rejected": "0"},
        "size": None, "prices": None, "order": None, "to": None, "limits": None, "moved": None,
    }  # fmt: skip
    return {**whole, **fields}


def placed(**fields: Any) -> dict[str, Any]:
    """The first order, with every number."""
    rest = str(10 * QUANTA)
    size = {"opens": True, "ratio": "0.5", "amount": None, "counted": "0", "opening": rest, "rest": rest,
            "min": "1000", "venue_max": None, "units": "10000"}  # fmt: skip
    prices = {"entry": None, "multiplier": "1", "reverse": False, "factor": "1", "tick": "0.001",
              "exact_px": "1.0824", "exact_stop_px": None, "unmirrored": None, **MINE}  # fmt: skip
    whole = {
        "size": size,
        "prices": prices,
        "limits": {"asked": "10000", "admitted": "10000"},
        "to": {"cl_ord_id": "C1", "qty": "10000", **MINE},
    }
    return {**step("place", "begins"), **whole, **fields}


def had(**fields: Any) -> dict[str, Any]:
    """The follower's order as it works."""
    whole = {"cl_ord_id": "C1", "state": "acknowledged", "closes": False, "qty": "10000", "cum_qty": "0",
             "asked": None, "unanswered": "0", **MINE}  # fmt: skip
    return {**whole, **fields}


def texts(entry: dict[str, Any], known: Context = KNOWN) -> list[str]:
    """The words of every step."""
    return [one.text for one in explain(entry, known)]


def test_a_placed_order_is_told_from_the_leaders_report_to_the_order() -> None:
    """Every number on the way, in units and lots, and the price from the leader's to the tick."""
    told = explain(placed(), KNOWN)
    assert [one.text for one in told] == [
        "Because of alpha's report E7, about this order.",
        LEADER,
        "f1<alpha mirrors orders, by multiplier (k 0.5); what this order is worth was frozen when it began.",
        "Size: 0.5 x 20000 = 10000 units. In steps of 1000, not below 1000: 10000 units (0.1 lots).",
        "Limit 1.0824, down to a tick of 0.001: 1.082.",
        "Limits of an open, for 10000 units (0.1 lots): all passed.",
        PLACED,
    ]
    assert [one.step for one in told] == ["cause", "leader", "rule", "size", "price", "limits", "result"]
    assert told[3].numbers["opening"] == str(10 * QUANTA)
    assert told[-1].numbers == {
        "act": "place",
        "why": "begins",
        "cl_ord_id": "C1",
        "qty": "10000",
        "px": "1.082",
    }


def test_a_replace_says_from_what_to_what() -> None:
    """What the order was, what it had filled, and what is asked for."""
    between = {"ahead": str(3 * QUANTA), "refused": str(2 * QUANTA), "rejected": "0"}
    size = {**placed()["size"], "rest": str(5 * QUANTA), "units": "5000"}
    told = texts(
        placed(
            act="replace", why="changed", between=between, size=size, limits=None,
            order=had(cum_qty="3000", state="partial"), to={"cl_ord_id": "R1", "qty": "8000", **MINE},
        )
    )  # fmt: skip
    assert "less 3000 filled ahead less 2000 refused = 5000." in told[4]
    assert told[6].startswith("The order C1: buy 10000 units (0.1 lots), limit 1.082, good till cancel;")
    assert told[6].endswith("partial, 3000 filled.")
    assert told[7].startswith("So the broker was asked to replace the order, R1: buy 8000 units (0.08 lots)")


def test_a_close_says_its_share_and_a_stop_its_entry() -> None:
    """A stop of half of what the leader holds, at twice its distance."""
    size = {"opens": False, "held": "10000", "base": "10000", "share": "5000", "done": "1000", "room": "9000",
            "broker": "8000", "min": "1000", "venue_max": "50000", "units": "4000"}  # fmt: skip
    stop = {"order_type": "stop", "px": None, "stop_px": "1.0", **GTC}
    prices = {"entry": "1.1", "multiplier": "2", "reverse": False, "factor": "1", "tick": "0.001",
              "exact_px": None, "exact_stop_px": "0.9", "unmirrored": None,
              "order_type": "stop", "px": None, "stop_px": "0.9", **GTC}  # fmt: skip
    leader = {"side": "sell", "left": "10000", "ended": False, "position": "20000", **stop}
    told = texts(placed(side="sell", leader_order=leader, size=size, prices=prices, limits=None))
    assert told[2].startswith(
        "It closes. Of 10000 units the same share as the leader's order has of his position:"
        " 10000 x 10000 / 20000 = 5000, less 1000 that it has closed; other closes and the target leave 9000,"
        " the broker's position 8000. In steps of 1000, not below 1000, at most 50000 in one order: 4000"
    )
    assert told[3] == "The stop at 2 times its distance from the entry: 1.1 + (1.0 - 1.1) x 2. Stop 0.9."


def test_one_order_of_several_says_so() -> None:
    """The leader's order is worth more than the venue takes at once."""
    size = {**placed()["size"], "venue_max": "4000", "parts": 3, "others": "7000", "units": "3000"}
    told = next(text for text in texts(placed(size=size)) if text.startswith("Size: "))
    assert told.endswith(
        "at most 4000 in one order, in 3 orders, of which the others have 7000: 3000 units (0.03 lots)."
    )


def test_the_parts_are_numbers_beside_the_words() -> None:
    """`--json` has both; one order alone, and an entry of an older version, has neither."""
    size = {**placed()["size"], "venue_max": "4000", "parts": 3, "others": "7000.50", "units": "3000"}
    found = {reason.step: dict(reason.numbers) for reason in explain(placed(size=size), KNOWN)}
    assert (found["size"]["parts"], found["size"]["others"]) == ("3", "7000.50")
    assert any("of which the others have 7000.5:" in text for text in texts(placed(size=size)))
    one = {**size, "parts": 1, "others": "0"}
    older = {name: value for name, value in size.items() if name not in ("parts", "others")}
    for alone in (one, older):
        told = explain(placed(size=alone), KNOWN)
        (numbers,) = (reason.numbers for reason in told if reason.step == "size")
        assert "parts" not in numbers
        assert "others" not in numbers
        assert not any("in 3 orders" in text or "in 1 orders" in text for text in texts(placed(size=alone)))


def test_a_refusal_has_its_code_and_what_the_venue_does_not_take() -> None:
    """What support reads to a client whose order is missing."""
    prices = {**placed()["prices"], "unmirrored": "the follower's venue does not take its order type",
              "order_type": None, "px": None, "tif": None}  # fmt: skip
    refusals = [{"code": "order_terms", "limit": "0", "value": "0"}]
    told = texts(step("refuse", "refused", prices=prices, refusals=refusals, code="order_terms", begun=None))
    assert told[2:] == [
        "No terms: the follower's venue does not take its order type.",
        "order_terms: the follower's venue takes no order like the leader's; its fills are copied.",
        "So no order was made: it was refused, and is not asked for again by itself.",
    ]


def test_a_race_is_told_as_what_crossed() -> None:
    """A fill while a cancel was on its way, and who is ahead by it."""
    moved = {"units": "4000", "ahead_before": "0", "ahead_after": str(4 * QUANTA), "target_before": None,
             "target_after": None}  # fmt: skip
    order = had(asked="cancel", cum_qty="4000", state="partial")
    told = texts(step("fill", "canceling", order=order, moved=moved, cause="route", cause_exec_id=None))
    assert told[0].startswith("Because of a word of the follower's broker or route; alpha's newest report")
    assert told[2].endswith("partial, 4000 filled; a request to cancel it was not answered.")
    assert told[3] == (
        "4000 units (0.04 lots) filled. It was even with the leader's fills, and is 4000 units ahead of"
        " the leader's fills."
    )
    assert told[4] == "The broker filled some of the order: a request to cancel it was not answered yet."


MOVED = {"target_before": None, "target_after": None}
FILLED = "4000 units (0.04 lots) filled."


@pytest.mark.parametrize(
    ("filled", "before", "after", "said"),
    [
        (
            "4000",
            1,
            2,
            f"{FILLED} 3000 units of it were the close that was still wanted.",
        ),
        ("4000", 0, 4, f"{FILLED} It was even"),
        ("4000", -3, 1, f"{FILLED} It was 3000 units behind"),
        ("-4000", 0, -1, "-4000 units (-0.04 lots) filled. It was even"),
    ],
)
def test_a_fill_of_a_close_says_what_of_it_was_still_wanted(
    filled: str, before: int, after: int, said: str
) -> None:
    """That part puts nobody ahead: the leader had closed already. What is taken back is no close."""
    ahead = {"ahead_before": str(before * QUANTA), "ahead_after": str(after * QUANTA)}
    order = had(closes=True, cum_qty="4000", state="partial")
    told = texts(step("fill", "canceling", order=order, moved={"units": filled, **ahead, **MOVED}))
    assert told[3].startswith(said)


def test_a_target_that_moved_with_it_is_told() -> None:
    """From what to what, in units; nothing where it stayed."""
    even = {"units": None, "ahead_before": "0", "ahead_after": "0"}
    for after, said in ((3, " The target went from 1000 to 3000."), (1, "")):
        moved = {**even, "target_before": str(QUANTA), "target_after": str(after * QUANTA)}
        told = texts(step("settled", "leader_filled_more", moved=moved))
        assert told[2] == f"It was even with the leader's fills, and is even with the leader's fills.{said}"


def test_what_the_leaders_order_brought_first_is_asked_for_as_well() -> None:
    """It is behind: what was not filled yet adds to what his order may still fill."""
    between = {"ahead": str(-3 * QUANTA), "refused": "0", "rejected": "0"}
    size = {**placed()["size"], "rest": str(13 * QUANTA), "units": "13000"}
    told = texts(placed(between=between, size=size))
    assert told[3] == "The leader's order brought 3000 units that the follower's has not filled yet."
    assert told[4].startswith("Size: 0.5 x 20000 = 10000 units and 3000 not filled yet = 13000.")


def test_another_order_of_the_leaders_can_be_the_cause() -> None:
    """His take profit filled, so his stop is cut: the report that did it is named, and the stop's own."""
    told = texts(step("cancel", "nothing_to_close", cause_exec_id="E9", order=had()))
    assert told[0] == (
        "Because of alpha's report E9, about another order;"
        " alpha's newest report of the order is E7, of row 70."
    )


def test_every_word_of_the_core_has_words_for_people() -> None:
    """A step or a reason that the core can say is never shown as its bare name."""
    source = (ROOT / "fastcore" / "src" / "mirrored.rs").read_text(encoding="utf-8")
    steps, reasons = (
        set(re.findall(r'^        [A-Z]\w+ = "([a-z_]+)",$', part, flags=re.MULTILINE))
        for part in source.split("    Why {")
    )
    assert steps
    assert steps == set(ACTS)
    assert steps > HEARD
    assert reasons == set(REASONS)


def row(journal: int, entry: dict[str, Any]) -> Row:
    """A line of the replay."""
    return journal, "mirror", json.dumps({**entry, "journal": str(journal)})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A leader's order: placed, then replaced when the broker had it; a fill of another order cancels it."""
    moved: dict[str, Any] = {
        "conversion": None,
        "leader_delta": "0",
        "leader_position": "0",
        "refusals": [],
        "code": None,
    }
    bare: dict[str, Any] = {**moved, "follower": "f1", "subscription": "f1<alpha"}
    rows = [
        row(70, placed()),
        decision(70, exec_id="E7", **bare),
        row(72, placed(act="replace", why="changed", cause="route", cause_exec_id=None, order=had())),
        row(80, step("cancel", "nothing_to_close", cause_exec_id="E9", order=had())),
        decision(80, exec_id="E9", **{**bare, "follower": "f2", "subscription": "f2<alpha"}),
    ]
    with Store(tmp_path / "audit") as store:
        store.append([from_replay(*one) for one in rows], 80)
    return tmp_path


def invoke(*words: str) -> typer.testing.Result:
    """Runs `copygate audit …`."""
    return typer.testing.CliRunner().invoke(app, list(words))


def told_of(state: Path, exec_id: str, follower: str) -> list[dict[str, Any]]:
    """What `copygate explain --json` says."""
    said = invoke("explain", exec_id, follower, "--state", str(state), "--json").stdout
    return [json.loads(line) for line in said.splitlines()]


def test_a_report_that_was_no_fill_is_explained_with_all_that_followed(state: Path) -> None:
    """The New of the leader's order: placed at once, replaced later; its decision moved no target."""
    told = told_of(state, "E7", "f1")
    assert [(one["journal"], one["act"]) for one in told] == [
        ("70", "place"),
        ("72", "replace"),
        ("80", "cancel"),
    ]
    assert {one["kind"] for one in told} == {"mirror"}
    shown = invoke("explain", "E7", "f1", "--state", str(state)).output
    assert "f1: mirror of alpha's order W1" in shown
    assert [one["act"] for one in told_of(state, "E9", "f1")] == ["cancel"]


def test_a_decision_beside_a_mirror_leaves_what_is_missing_to_it(tmp_path: Path) -> None:
    """Also where the log has no configuration: the steps of the same row say that there is one."""
    fill = entry(10, result="waits", exec_id="E7", numbers=line("10000"), orders=[])
    rows = [decision(70, **fill), decision(71, **{**fill, "exec_id": "E8"}), row(70, placed())]
    with Store(tmp_path / "audit") as store:
        store.append([from_replay(*one) for one in sorted(rows)], 71)
    with_mirror, alone = (told_of(tmp_path, exec_id, "f1")[0]["steps"][-1] for exec_id in ("E7", "E8"))
    assert with_mirror["text"].startswith("So no order was made for it: mirrored orders may still fill it")
    assert alone["text"].startswith("So it waits")


def test_the_table_of_mirrors_has_a_row_for_each_step(state: Path) -> None:
    """For people with SQLite: the view has readable times."""
    with closing(sqlite3.connect(day_files(state / "audit")[0])) as db:
        rows = db.execute(
            "SELECT act, why, exec_id, leader_cl_ord_id, cl_ord_id, to_cl_ord_id, px FROM mirrors"
        )
        assert rows.fetchall()[:2] == [
            ("place", "begins", "E7", "W1", None, "C1", "1.082"),
            ("replace", "changed", "E7", "W1", "C1", "C1", "1.082"),
        ]


def test_the_export_leaves_nothing_of_a_mirror_out(state: Path, tmp_path: Path) -> None:
    """As JSON byte for byte; in the table what has no column stands in `more`."""
    lines = [json.loads(line) for line in invoke("export", "--state", str(state)).stdout.splitlines()]
    mirror = next(one for one in lines if one["kind"] == "mirror")
    assert (mirror["to"]["qty"], mirror["pseudonym"], mirror["rule_hash"]) == ("10000", None, None)
    table = tmp_path / "all.csv"
    assert invoke("export", str(table), "--format", "csv", "--state", str(state)).exit_code == 0
    assert '""act"":""place""' in table.read_text(encoding="utf-8")


def test_a_day_that_an_older_version_began_is_read_and_goes_on(state: Path) -> None:
    """Its file has no table of mirrors: it is read without, and gets one when it is written to."""
    path = day_files(state / "audit")[0]
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP VIEW mirrors; DROP TABLE mirror;")
    assert invoke("explain", "E9", "f2", "--state", str(state)).exit_code == 0
    with Store(state / "audit") as store:
        store.append([from_replay(*row(90, placed(exec_id="E11")))], 90)
    assert "an order was placed" in invoke("explain", "E11", "f1", "--state", str(state)).output
