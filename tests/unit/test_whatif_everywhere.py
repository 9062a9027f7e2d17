"""Every venue, and every configuration: what holds for all of them, whatever a leader does."""

from __future__ import annotations

import re
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import resources
from tests.unit.config_text import GOOD, PROFILE
from tests.unit.whatif_rig import T0_NS, Recording, part_of, played, side

HALF = 'sizing = { mode = "multiplier", k = "0.5" }'
PROFILES = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in resources.profiles().glob("*.toml")}
"""Every venue that comes with the program."""
NOT_FOR_FOLLOWERS = {"bloomberg-tsox", "exberry"}
"""The first takes neither market nor limit orders, the second ClOrdIDs of digits only: `check` says so."""


@pytest.mark.parametrize("name", sorted({*PROFILES} - NOT_FOR_FOLLOWERS))
def test_orders_for_every_venue_are_filled_on_paper(tmp_path: Path, name: str) -> None:
    """Lots or units, market or limit, by CumQty or by LastQty: the paper broker speaks each dialect."""
    told = Recording(tmp_path)
    told.quote("1.1", "1.1002")
    told.trade(200_000, "1.1002")
    told.trade(-100_000)
    begin = PROFILES[name]["begin_string"]
    before, session, after = GOOD.partition("[sessions.R1]")
    after = after.replace("FIX.4.4", begin, 1).replace('"plain"', f'"{name}"', 1)
    if "market" not in PROFILES[name].get("order_types", ["market"]):
        after = after.replace(HALF, HALF + '\norder_type = "limit"\nmax_slippage_bps = 5')
    text = (before + session + after).replace('profiles_dir = "profiles"', f'profiles_dir = "{tmp_path}/all"')
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "plain.toml").write_text(PROFILE, "utf-8")
    for path in resources.profiles().glob("*.toml"):
        # Our limit opens are IOC: a venue that is only known to take others gets a profile of one's own.
        own = re.sub(r"^tifs = .*$", 'tifs = ["ioc"]', path.read_text("utf-8"), flags=re.MULTILINE)
        (tmp_path / "all" / path.name).write_text(own, "utf-8")
    found = played(told, text)
    numbers = side(part_of(found, "f1").new)
    assert (numbers.orders, numbers.positions) == (2, {"EURUSD": Fraction("0.5")})
    assert numbers.realised["USD"] == 50_000 * (Fraction("1.1") - Fraction("1.1002"))
    assert found.report["new"]["alerts"] == {}


RULES = st.sampled_from(
    [
        'sizing = { mode = "multiplier", k = "0.37" }',
        'sizing = { mode = "percent", percent = 250 }',
        'sizing = { mode = "lots_multiplier", k = "0.003" }\nrounding = "min_lot_if_nonzero"',
        'sizing = { mode = "fixed", lots = "0.03" }',
        'sizing = { mode = "equity", k = 1 }\nmax_ratio = 10',
        'sizing = { mode = "multiplier", k = "0.37" }\nrounding = "nearest"\nreverse = true',
        'sizing = { mode = "multiplier", k = 1 }\nrounding = "hold"\nmax_drift_bps = 5',
        'sizing = { mode = "multiplier", k = 1 }\nfilters = { side = "long" }',
    ]
)
LIMITS = st.sampled_from(
    [
        "",
        'limits = { max_position_lots = "0.05" }',
        'limits = { max_order_qty_lots = "0.02", on_breach = "refuse" }',
    ]
)
TRADES = st.lists(
    st.tuples(
        st.sampled_from(["EURUSD", "GOLD"]),
        st.integers(-30, 30).filter(bool),
        st.sampled_from(["trade", "quote", "wait", "kill", "arm"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(rules=st.tuples(RULES, RULES), limits=LIMITS, trades=TRADES)
def test_a_leader_who_closed_leaves_everybody_flat_under_every_configuration(
    tmp_path_factory: pytest.TempPathFactory,
    rules: tuple[str, str],
    limits: str,
    trades: list[tuple[str, int, str]],
) -> None:
    """Rules, limits, stops and prices decide what is opened; what was opened is closed with him."""
    folder = tmp_path_factory.mktemp("flat")
    first = GOOD.replace('account = "F1"\n', f'account = "F1"\n{limits}\n').replace(HALF, rules[0])
    told = Recording(folder, first)
    told.operator("account", account="alpha", equity="1000")
    told.operator("account", account="f1", equity="700")
    held = {"EURUSD": 0, "GOLD": 0}
    for symbol, steps, what in trades:
        units = steps * (1_000 if symbol == "EURUSD" else 1)
        if what == "quote":
            told.quote(f"{1 + abs(steps) / 100:.2f}", f"{1 + abs(steps) / 100:.2f}5", symbol)
        elif what == "wait":
            told.wait(abs(steps) * 10)
        elif what in ("kill", "arm"):
            told.operator(what, follower="f1")
        else:
            held[symbol] += units
            told.trade(units, f"{1 + abs(steps) / 50:.3f}", symbol)
    for symbol, units in held.items():
        if units:
            told.trade(-units, "1.25", symbol)
    found = played(
        told, first.replace('sizing = { mode = "equity", k = 1 }\nmax_ratio = 10\n', rules[1] + "\n")
    )
    for part in found.followers:
        for numbers in (side(part.old), side(part.new)):
            assert numbers.positions == {}, part.name
            assert not any(numbers.floating.values()), part.name
            assert None not in numbers.realised.values(), part.name
    middle_ns = (T0_NS + told.now_ns) // 2
    for span in ((None, None), (middle_ns, None), (None, middle_ns)):
        assert not played(told, first, *span).differing
