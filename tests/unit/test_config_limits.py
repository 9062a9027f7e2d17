"""Limits of the configuration: how scopes are joined, what the core is given, and what `check` says of it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import clock
from gateway._fastcore import Pipeline
from gateway.check import effective_table
from gateway.config import load
from gateway.config_core import core_config, core_json
from gateway.config_limits import LimitsConfig, MessagesConfig, fold, price_windows
from gateway.core import CLOCK_EVERY_MS, ClockWatch
from gateway.refusal_texts import REASONS
from tests.unit.config_text import GOOD, problems_of, write

NOW_NS = 1_700_000_000_000_000_000
EVERYTHING = """
[limits]
max_open_orders = 50
max_exposure = "100000.5"
price_collar_bps = 100
[limits.instruments.GOLD]
price_collar_bps = "12.5"
[messages]
per_s = 100
burst = 300
[clock]
max_error_us = 1000
[faults]
repeated_copies = 40
"""


def deployment(folder: Path) -> dict[str, Any]:
    """What the core is given of a deployment with every limit."""
    text = GOOD.replace(
        'account = "L1"\n', 'account = "L1"\ninactive = { down_s = 300, action = "close_all" }\n'
    )
    text = text.replace(
        "[routes.r1]\n", "[routes.r1]\nmessages = { per_s = 5, burst = 1, closes_percent = 90 }\n"
    )
    own = 'limits = { max_leverage = "3", max_open_orders = 9 }\nmessages = { per_s = 1, burst = 7 }\n'
    text = text.replace('account = "F1"\n', f'account = "F1"\n{own}')
    text = text.replace("max_ratio = 10\n", 'max_ratio = 10\nmax_amplification = "2.5"\n')
    return core_config(load(write(folder, text + EVERYTHING)))


def test_the_core_is_given_every_limit(tmp_path: Path) -> None:
    """Bounds over all instruments stand apart from those of one; seconds become milliseconds."""
    core = deployment(tmp_path)
    first, second = (one["limits"] for one in core["followers"])
    assert first["totals"] == {"max_open_orders": 9, "max_exposure": "100000.5", "max_leverage": "3"}
    assert second["totals"] == {"max_open_orders": 50, "max_exposure": "100000.5", "max_leverage": None}
    assert first["default"]["price_collar_bps"] == "100"
    assert first["instruments"]["GOLD"]["price_collar_bps"] == "12.5"
    assert core["messages"] == {"per_s": 100, "burst": 300, "kept": 60}
    assert core["routes"][0]["messages"] == {"per_s": 5, "burst": 1, "kept": 0}
    assert [one.get("messages") for one in core["followers"]] == [{"per_s": 1, "burst": 7, "kept": 2}, None]
    assert core["leaders"][0]["inactive"] == {"down_ms": 300_000, "silent_ms": 0, "action": "close_all"}
    assert [one["max_amplification"] for one in core["subscriptions"]] == [None, "2.5"]
    assert core["clock"] == {"max_error_us": 1000}
    assert core["faults"]["repeated_copies"] == 40


def test_the_core_takes_every_limit_and_shows_what_it_stops(tmp_path: Path) -> None:
    """A clock that was not measured opens nothing, and the status says so."""
    deployment(tmp_path)
    config = load(tmp_path / "gateway.toml")
    pipeline = Pipeline.open(tmp_path / "core", core_json(config), "process", NOW_NS)
    (stop,) = json.loads(pipeline.status())["stops"]
    assert (stop["scope"], stop["code"], stop["level"]) == ("global", "clock", "no_opens")
    assert stop["numbers"] == "nobody knows how far it is from UTC"


def test_the_tighter_total_of_all_scopes_wins() -> None:
    scopes = [
        LimitsConfig(max_open_orders=5, max_leverage=Decimal(3)),
        LimitsConfig(max_open_orders=9, max_leverage=Decimal(2), max_exposure=Decimal(10)),
    ]
    folded = fold(*scopes)
    assert (folded.max_open_orders, str(folded.max_leverage), str(folded.max_exposure)) == (5, "2", "10")


@pytest.mark.parametrize(
    ("burst", "percent", "kept"), [(10, 20, 2), (11, 20, 3), (1, 90, 0), (2, 90, 1), (5, 0, 0)]
)
def test_closes_keep_their_share_and_opens_one_message(burst: int, percent: int, kept: int) -> None:
    allowance = MessagesConfig(per_s=1, burst=burst, closes_percent=percent)
    assert allowance.core() == {"per_s": 1, "burst": burst, "kept": kept}


def test_check_shows_what_binds(tmp_path: Path) -> None:
    """The limits of both scopes together, and in the note what counts over time."""
    deployment(tmp_path)
    rows = effective_table(load(tmp_path / "gateway.toml"))
    row = next(row for row in rows if row.follower == "f1" and row.instrument == "GOLD")
    assert row.limits == (
        "copy: price within 12.5 bps, 50 open orders in all, worth 100000.5 USD in all (clip); "
        "account: price within 12.5 bps, 9 open orders in all, worth 100000.5 USD in all, 3 times the equity "
        "in all (clip)"
    )
    assert "messages (all): 100/s, 300 at once, 60 of them kept for closes" in row.note
    assert "messages (follower): 1/s, 7 at once, 2 of them kept for closes" in row.note
    assert "leader down for 300 s: close_all" in row.note
    assert "clock within 1000 us; stops after 40 copies in 60 s" in row.note
    row = next(row for row in rows if row.follower == "f2")
    assert "copy at most 2.5 times the leader's position" in row.note


def test_a_worth_needs_the_currency_of_the_account(tmp_path: Path) -> None:
    """It is said once for a follower, and not where no such limit reaches it."""
    text = GOOD.replace('account = "F1"\ncurrency = "USD"', 'account = "F1"')
    limited = text.replace(
        'account = "F1"\n', 'account = "F1"\nlimits = { max_leverage = 3, max_exposure = 9 }\n'
    )
    found = [(p.path, p.message) for p in problems_of(tmp_path, limited)]
    assert [path for path, _ in found] == ["followers.f1.currency"]
    assert "is in the account's currency" in found[0][1]
    franc = limited.replace('account = "F1"\n', 'account = "F1"\ncurrency = "CHF"\n')
    (problem,) = problems_of(tmp_path, franc)
    assert (problem.path, "no instrument converts" in problem.message) == ("followers.f1.limits", True)
    other = text.replace('account = "F2"\n', 'account = "F2"\nlimits = { max_exposure = 9 }\n')
    assert problems_of(tmp_path, other) == []


class Rows:
    """A pipeline that keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def submit(self, kind: str, session: str, payload: bytes, _now_ns: int) -> None:
        assert (kind, session) == ("operator", "")
        self.rows.append(json.loads(payload)["error_us"])


def test_the_clock_is_told_when_it_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, then only when it turns good or bad: a steady clock fills no journal."""
    pipeline, now_ms = Rows(), 0
    monkeypatch.setattr(clock, "steady_ms", lambda: now_ms)
    watch = ClockWatch(1_000, pipeline)  # type: ignore[arg-type]
    for error_us in (1_000, 900, None, None, 1_001, 5, 7):
        monkeypatch.setattr(clock, "error_us", lambda error_us=error_us: error_us)
        watch.look()
        now_ms += CLOCK_EVERY_MS - 1
        watch.look()
        now_ms += 1
    assert pipeline.rows == [1_000, None, 5]


def test_the_kernel_can_be_asked_about_its_clock() -> None:
    """A number of microseconds, or nobody disciplines it: never an error."""
    found = clock.error_us()
    assert found is None or found >= 0


def test_every_new_code_has_its_words() -> None:
    codes = "price_collar max_messages max_open_orders max_exposure max_leverage amplification"
    assert set(f"{codes} repeated_execution provider_inactive clock".split()) <= set(REASONS)


def test_a_collar_over_a_window_has_both_numbers(tmp_path: Path) -> None:
    """An instrument takes the other one from its own section; each is refused alone."""
    text = GOOD + "\n[limits]\nprice_collar_window_bps = 5\n"
    assert [p.path for p in problems_of(tmp_path, text)] == ["limits.price_collar_window_bps"]
    text = GOOD + "\n[limits]\nprice_collar_window_s = 5\n"
    assert [p.path for p in problems_of(tmp_path, text)] == ["limits.price_collar_window_s"]
    text = GOOD + (
        "\n[limits]\nprice_collar_window_s = 5\nprice_collar_window_bps = 30\n"
        "[limits.instruments.GOLD]\nprice_collar_window_bps = 7\n"
    )
    core = core_config(load(write(tmp_path, text)))
    limits = core["followers"][0]["limits"]
    collar = [limits[of] for of in ("default",)] + [limits["instruments"]["GOLD"]]
    assert [one["price_windows"] for one in collar] == [
        [{"bps": "30", "window_ms": 5_000}],
        [{"bps": "7", "window_ms": 5_000}],
    ]


def windows(*scopes: dict[str, Any], of: str | None = None) -> list[tuple[int, int]]:
    """The pairs that hold, of sections as they stand in a file."""
    found = price_windows([LimitsConfig.model_validate(scope) for scope in scopes], of)
    return [(int(bps), window_s) for bps, window_s in found]


def pair(bps: int, window_s: int) -> dict[str, Any]:
    return {"price_collar_window_bps": bps, "price_collar_window_s": window_s}


def test_collars_of_several_sections_are_never_mixed() -> None:
    """50 bps of 5 s and 500 bps of an hour do not become 50 bps of an hour, which nobody wrote."""
    assert windows(pair(50, 5), pair(500, 3_600)) == [(50, 5), (500, 3_600)]
    assert windows(pair(9, 3), pair(8, 2)) == [(8, 2), (9, 3)]
    assert windows(pair(50, 3_600), pair(500, 5)) == [(50, 3_600)], "which refuses all that the other does"
    assert windows(pair(50, 5), pair(40, 5), {}) == [(40, 5)]
    entry = {**pair(30, 5), "instruments": {"GOLD": {"price_collar_window_bps": 7}, "DAX": pair(99, 60)}}
    found = [windows(entry, of=name) for name in ("GOLD", "DAX", "EURUSD")]
    assert found == [[(7, 5)], [(30, 5), (99, 60)], [(30, 5)]]


def test_a_window_that_stands_nowhere_bounds_nothing() -> None:
    """Half a pair is none, in a section and in an entry; an entry is completed by its own section."""
    half, other = {"price_collar_window_bps": 7}, {"price_collar_window_s": 9}
    assert windows(half, other) == windows(other) == windows({}) == []
    assert windows({"instruments": {"GOLD": half}}, pair(50, 5), of="GOLD") == [(50, 5)]
    assert windows({"instruments": {"GOLD": other}}, {"instruments": {"GOLD": half}}, of="GOLD") == []
    assert windows({**pair(30, 5), "instruments": {"GOLD": other}}, of="GOLD") == [(30, 9)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=5))
def test_what_is_left_out_is_implied(pairs: list[tuple[int, int]]) -> None:
    """For every pair of the file one is kept that is as tight, over a window as long; and only pairs of the
    file are kept."""
    kept = windows(*(pair(bps, window_s) for bps, window_s in pairs))
    assert set(kept) <= set(pairs)
    for bps, window_s in pairs:
        assert any(a <= bps and b >= window_s for a, b in kept)


def test_the_core_is_given_the_pairs_of_each_scope(tmp_path: Path) -> None:
    """Of deployment and follower for the account, of deployment and subscription for the copy; the
    table shows both."""
    own = "limits = { price_collar_window_bps = 500, price_collar_window_s = 3600 }\n"
    text = GOOD.replace('account = "F1"\n', f'account = "F1"\n{own}')
    text += "\n[limits]\nprice_collar_window_bps = 50\nprice_collar_window_s = 5\n"
    config = load(write(tmp_path, text))
    core = core_config(config)
    short, long = {"bps": "50", "window_ms": 5_000}, {"bps": "500", "window_ms": 3_600_000}
    assert core["followers"][0]["limits"]["default"]["price_windows"] == [short, long]
    assert core["subscriptions"][0]["limits"]["default"]["price_windows"] == [short]
    assert effective_table(config)[0].limits == (
        "copy: price within 50 bps of 5 s (clip); "
        "account: price within 50 bps of 5 s, price within 500 bps of 3600 s (clip)"
    )


def test_the_table_shows_the_bounds_of_the_copy_and_of_the_account(tmp_path: Path) -> None:
    """Eight equities over everything that an account holds and three over one copy are two bounds."""
    text = GOOD.replace('account = "F1"\n', 'account = "F1"\nlimits = { max_leverage = 8 }\n')
    text = text.replace('k = "0.5" }\n', 'k = "0.5" }\nlimits = { max_leverage = 3, on_breach = "refuse" }\n')
    rows = effective_table(load(write(tmp_path, text)))
    assert rows[0].limits == (
        "copy: 3 times the equity in all (refuse); account: 8 times the equity in all (clip)"
    )
    assert rows[-1].limits == "none"
