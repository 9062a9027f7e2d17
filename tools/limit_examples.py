"""Examples of every limit, played at the core: the page of limits has what it answered."""

# ruff: noqa: E501  (a table is read by its lines)

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from limit_stage import Stage
from reference_keys import row


@dataclass(frozen=True)
class Example:
    """One code, the keys of the file, and what happens."""

    code: str
    keys: Sequence[str]
    story: str

    def played(self) -> list[str]:
        """What came of each phrase that something came of."""
        with tempfile.TemporaryDirectory() as folder:
            stage = Stage(Path(folder), self.keys)
            try:
                answers = [stage.say(phrase) for phrase in self.story.split("; ")]
            finally:
                stage.close()
        return [made + (f" ({refused})" if refused else "") for made, refused in filter(None, answers)]


EXAMPLES = (
    Example("kill", (), "he buys 2 at 1.1; `ctl kill`; he buys 1 at 1.1; he sells 1 at 1.1; `ctl arm`; he buys 1 at 1.1"),
    Example("paused", (), "he buys 2 at 1.1; `ctl pause`; he buys 1 at 1.1; he sells 1 at 1.1; `ctl resume`; he buys 1 at 1.1"),
    Example("leaving", (), "he buys 2 at 1.1; `ctl leave`; he buys 1 at 1.1; he sells 1.5 at 1.1"),
    Example("suspended_equity", ('follower.guards.rules = [{ rule = "equity_floor", amount = 9000 }]',),
            "the follower's equity is 10000; quote 1.1/1.1; he buys 1 at 1.1; quote 1.09/1.09; he buys 1 at 1.09; he sells 0.5 at 1.09"),
    Example("daily_loss", ('follower.guards.rules = [{ rule = "daily_loss", percent = 5 }]',),
            "the follower's equity is 10000; quote 1.1/1.1; he buys 1 at 1.1; quote 1.0951/1.0951; he buys 0.1 at 1.0951; quote 1.095/1.095; he buys 0.1 at 1.095; `ctl arm --follower f`; he buys 0.1 at 1.095"),
    Example("period_drawdown", ('follower.guards.rules = [{ rule = "drawdown", period = "week", amount = 1000 }]',),
            "the follower's equity is 10000; quote 1.1/1.1; he buys 1 at 1.1; quote 1.12/1.12; 1 s pass; quote 1.11/1.11; he buys 1 at 1.11"),
    Example("stale_account", ('follower.guards.rules = [{ rule = "equity_floor", amount = 9000 }]',),
            "he buys 1 at 1.1; the follower's equity is 10000; he buys 1 at 1.1"),
    Example("provider_inactive", ("leader.inactive.down_s = 60", 'leader.inactive.action = "close_all"'),
            "he buys 2 at 1.1; his session goes down; 61 s pass; his session goes up; he buys 1 at 1.1; `ctl arm --leader l`; he buys 1 at 1.1"),
    Example("clock", ("clock.max_error_us = 1000",),
            "he buys 1 at 1.1; the clock is 900 us off; he buys 1 at 1.1; the clock is 1001 us off; he buys 1 at 1.1"),
    Example("bust_hold", (), "he buys 2 at 1.1; his broker busts it; he buys 1 at 1.1; `ctl bust-resume l`; he buys 1 at 1.1"),
    Example("bust_hold", (), "he buys 2 at 1.1; his broker corrects it to 2 at 1.2; he buys 1 at 1.2; his broker corrects it to 0.5 at 1.2; he buys 1 at 1.2"),
    Example("repeated_execution", ("faults.repeated_copies = 2", "faults.repeated_window_ms = 60000"),
            "he buys 1 at 1.1; he buys 1 at 1.1; he buys 1 at 1.1; 120 s pass; he buys 1 at 1.1; `ctl arm --follower f`; he buys 1 at 1.1"),
    Example("restricted", ('follower.restricted = ["EURUSD"]',), "he buys 1 at 1.1"),
    Example("filtered", ("subscription.filters.min_order_qty = 100000",), "he buys 0.5 at 1.1; he buys 1 at 1.1"),
    Example("leader_position_unknown", ("leader.assume_flat = false",), "he buys 1 at 1.1"),
    Example("stale", ("subscription.max_age_ms = 10000",), "he buys 1 at 1.1, 9 s ago; he buys 1 at 1.1, 11 s ago; he sells 2 at 1.1, 900 s ago"),
    Example("bad_account", ('subscription.sizing = { mode = "equity", k = 1 }', "subscription.max_ratio = 5"),
            "his equity is 0; the follower's equity is 5000; he buys 1 at 1.1; his equity is 10000; he buys 1 at 1.1"),
    Example("max_ratio", ('subscription.sizing = { mode = "equity", k = 1 }', "subscription.max_ratio = 5"),
            "his equity is 1000; the follower's equity is 5000; he buys 1 at 1.1; the follower's equity is 6000; he buys 1 at 1.1"),
    Example("no_quote", ('subscription.sizing = { mode = "percent_equity", percent = 110 }',),
            "the follower's equity is 10000; he buys 1 at 1.1; quote 1.1/1.1; he buys 1 at 1.1"),
    Example("max_order_qty", ("follower.limits.max_order_qty_lots = 3",), "he buys 5 at 1.1; he sells 5 at 1.1"),
    Example("max_order_qty", ("follower.limits.max_order_qty_lots = 3", 'follower.limits.on_breach = "refuse"'), "he buys 5 at 1.1"),
    Example("max_order_value", ("follower.limits.max_order_value = 220000",), "he buys 3 at 1.1; he sells 3 at 1.1"),
    Example("price_collar", ("limits.price_collar_bps = 100",), "quote 0.9999/1.0001; he buys 1 at 1.01; he buys 1 at 1.0101; he sells 1 at 1.2"),
    Example("price_collar_window", ("limits.price_collar_window_bps = 150", "limits.price_collar_window_s = 30"),
            "quote 1/1; 10 s pass; quote 0.98/0.98; he buys 1 at 0.98; 31 s pass; quote 0.98/0.98; he buys 1 at 0.98"),
    Example("price_collar_window", ("limits.price_collar_window_bps = 50", "limits.price_collar_window_s = 5", "follower.limits.price_collar_window_bps = 500", "follower.limits.price_collar_window_s = 3600"),
            "quote 1/1; 60 s pass; quote 1.04/1.04; 6 s pass; quote 1.04/1.04; he buys 1 at 1.04; he buys 1 at 1.046; 60 s pass; quote 1.06/1.06; 6 s pass; quote 1.06/1.06; he buys 1 at 1.06"),
    Example("max_messages", ("follower.messages.per_s = 1", "follower.messages.burst = 3", "follower.messages.closes_percent = 34"),
            "he buys 1 at 1.1; he buys 1 at 1.1; he sells 1 at 1.1; he buys 1 at 1.1; 3 s pass; he buys 1 at 1.1"),
    Example("max_position", ("follower.limits.max_position_lots = 3",), "he buys 2 at 1.1; he buys 2 at 1.1; he sells 4 at 1.1"),
    Example("max_position", ("together.max_position_lots = 3",), "he buys 5 at 1.1"),
    Example("max_open_orders", ("follower.limits.max_open_orders = 1",), "the broker is silent; he buys 1 at 1.1; he buys 1 at 1.1"),
    Example("max_exposure", ("follower.limits.max_exposure = 220000",), "quote 1.1/1.1; he buys 1 at 1.1; he buys 2 at 1.1"),
    Example("max_leverage", ("follower.limits.max_leverage = 10",), "the follower's equity is 11000; quote 1.1/1.1; he buys 2 at 1.1; he sells 1 at 1.1"),
    Example("amplification", ("subscription.max_amplification = 2", 'subscription.sizing = { mode = "fixed", lots = 3 }'), "he buys 1 at 1.1; he buys 1 at 1.1"),
    Example("drift", ("subscription.max_drift_bps = 20",), "quote 1.1019/1.102; he buys 1 at 1.1; quote 1.1022/1.1023; he buys 1 at 1.1; quote 1.09/1.09; he buys 1 at 1.1"),
    Example("look_alike", ("faults.lookalike_window_ms = 1000",), "he buys 1 at 1.1; he buys 1 at 1.1; 2 s pass; he buys 1 at 1.1"),
    Example("max_inflation", ('subscription.sizing = { mode = "multiplier", k = 0.004 }', 'subscription.rounding = "min_lot_if_nonzero"', "subscription.max_inflation = 3"),
            "he buys 1 at 1.1; he sells 1 at 1.1; he buys 0.5 at 1.1"),
    Example("missed", ("subscription.max_age_ms = 10000",), "the broker's session goes down; he buys 1 at 1.1; 11 s pass; the broker's session goes up"),
    Example("overflow", ('subscription.sizing = { mode = "multiplier", k = 1000000000000000 }',), "he buys 1000000 at 1.1"),
    Example("broker_reject", (), "the broker rejects; he buys 1 at 1.1"),
)  # fmt: skip


@cache
def limit_examples() -> str:
    """The table of the page."""
    lines = [row("code", "keys", "what happens", "what the follower does")]
    lines.append("|---|---|---|---|\n")
    for one in EXAMPLES:
        keys = "<br>".join(f"`{key}`" for key in one.keys) or "–"
        lines.append(row(f"`{one.code}`", keys, one.story, "; ".join(one.played())))
    return "".join(lines)
