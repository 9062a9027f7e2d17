"""The soak's judge, its books, and a run of some seconds: it must be able to say both yes and no."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.bench.deployment import Shape
from tests.bench.soak import main, verdicts
from tests.bench.soak_judge import Series, judge, second_half, slope
from tests.bench.soak_plant import SYMBOLS, SteadyPlant, wrong_in

NOISE = (0.0, 3.0, -2.0, 1.0, -3.0, 2.0, -1.0, 0.0)


def line(start: float, per_s: float, count: int = 100, every_s: float = 5.0) -> list[tuple[float, float]]:
    """A straight line with noise that has no slope of its own to speak of."""
    return [(n * every_s, start + per_s * n * every_s + NOISE[n % len(NOISE)]) for n in range(count)]


def test_the_slope_is_that_of_the_line_through_the_points() -> None:
    """Exact on a straight line; nothing for one point or one time."""
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(0, 0), (1, 1), (2, 0), (3, 1)]) == pytest.approx(0.2)
    assert slope([(4, 4)]) == slope([(4, 4), (4, 9)]) == slope([]) == 0


def test_only_the_second_half_is_judged() -> None:
    """What fills up at the begin is no growth."""
    filling = [(x, min(y, 100)) for x, y in line(0, 1, 60)] + [(x + 300, 100.0) for x, _ in line(0, 0, 80)]
    assert min(x for x, _ in second_half(filling)) >= 300
    assert judge(Series("cache", "KiB", filling, bound=1)).flat


@pytest.mark.parametrize(
    ("per_s", "bound", "share", "flat"),
    [
        (0.0, 2.0, 0.0, True),
        (1.0, 2.0, 0.0, False),
        (1.0, 300.0, 0.0, True),
        (1.0, 0.0, 0.1, False),
        (1.0, 0.0, 0.3, True),
        (-1.0, 0.0, 0.0, True),
    ],
)
def test_growth_above_the_bound_is_not_flat(per_s: float, bound: float, share: float, flat: bool) -> None:
    """The bound is absolute, or a share of the mean; what shrinks is flat."""
    verdict = judge(Series("x", "KiB", line(1_000, per_s), bound=bound, bound_share=share))
    assert verdict.flat is flat
    assert verdict.growth == pytest.approx(per_s * 245, abs=2.5)
    assert ("NOT FLAT" in verdict.text()) is not flat


def test_too_few_points_prove_nothing() -> None:
    """A run that ended early is not called flat."""
    assert not judge(Series("x", "KiB", [(0.0, 1.0), (5.0, 1.0), (10.0, 1.0)])).flat
    assert not judge(Series("x", "KiB", [])).flat
    assert verdicts([], []) == []


def samples(core_kib_per_order: float, fds_per_min: float = 0) -> list[dict[str, Any]]:
    """Half an hour of samples, a hundred orders a second."""
    made = []
    for n in range(360):
        at_s, orders = n * 5.0, n * 500
        core = {"anonymous_kib": 60_000 + core_kib_per_order * orders, "fds": 20 + fds_per_min * at_s / 60}
        calm = {"anonymous_kib": 14_000, "fds": 18, "threads": 6}
        queues = dict.fromkeys(("outbox", "held", "route_rows", "audit_lag"), 1.0)
        made.append(
            {
                "at_s": at_s,
                "processes": {"core": {**core, "threads": 7}, "route:r0": calm},
                "queues": {**queues, "orders_sent": orders},
            }
        )
    return made


def test_what_every_order_keeps_is_allowed_and_a_leak_beside_it_is_not() -> None:
    """Names of orders are kept by design; twice as much, or a descriptor in five minutes, is a finding."""

    def bad(found: list[dict[str, Any]]) -> list[str]:
        return [verdict.name for verdict in verdicts(found, []) if not verdict.flat]

    assert bad(samples(0.07)) == []
    assert bad(samples(0.14)) == ["core anonymous_kib"]
    assert bad(samples(0.07, fds_per_min=0.2)) == ["core fds"]


def test_the_books_must_agree_in_every_count() -> None:
    """Each difference is told by its name."""
    plant = SteadyPlant(Shape("x", 1, 1, 1, 10))
    plant.close()
    plant.fills, plant.orders, plant.reported_fills = 20, 20, 26
    good = {"leader_executions": 20, "follower_fills": 26, "orders": {"filled": 20}}
    assert wrong_in(plant, good, Counter(open=0, unknown=0)) == []
    assert "follower fills" in wrong_in(plant, {**good, "follower_fills": 25}, Counter())[0]
    assert "leader executions" in wrong_in(plant, {**good, "leader_executions": 21}, Counter())[0]
    assert "ledger lines" in wrong_in(plant, good, Counter(open=1))[0]
    plant.doubled = 1
    plant.held["A0-0", SYMBOLS[0]] = 10
    assert len(wrong_in(plant, good, Counter())) == 2


@pytest.mark.slow
def test_a_short_run_agrees_in_its_books_and_samples_every_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some seconds of the real thing: opens and closes, samples of all processes, books that agree."""
    out = tmp_path / "samples.jsonl"
    words = [
        "--minutes",
        "0.4",
        "--fills-per-s",
        "5",
        "--sessions",
        "2",
        "--accounts",
        "2",
        "--out",
        str(out),
    ]
    main(words)
    rows = [json.loads(row) for row in out.read_text().splitlines()]
    sampled = [row for row in rows if row["kind"] == "sample"]
    assert {"supervisor", "core", "audit", "route:r0", "route:r1"} <= set(sampled[-1]["processes"])
    assert sampled[-1]["queues"]["answered"] == 1
    assert sampled[-1]["bytes"]["journal"] > 0
    ends = [row for row in rows if row["kind"] == "end"]
    assert [(end["fills"], end["orders"], end["unmatched"]) for end in ends] == [(120, 480, 0)]
    assert main(["--judge", str(out)]) in (0, 1)
    assert "books agree" in capsys.readouterr().out.splitlines()[-1]
