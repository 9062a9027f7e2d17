"""Pure rules of the reference model: what an increase is worth, and which whole lots a target is."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from tests.model.terms import ZERO, Instrument, LeaderOrder, Limits, Line, sign_of

SNAP = Fraction(1, 1_000_000)
"""A target this near to a whole number of steps is that number (02 State)."""
AMOUNT_MODES = frozenset({"fixed", "percent_equity"})
ACCOUNT_VALUE = {"equity": "equity", "balance": "balance", "free_margin": "free_margin"}
BPS = 10_000


class Refused(Exception):  # noqa: N818 a refusal is not an error
    """Why an increase is not copied; the message is the code."""


class Undecided(Exception):  # noqa: N818 the end of a history, no error
    """Here the design does not say what comes next, or the core is known to differ."""


def toward_zero(qty: Fraction, step: Fraction) -> Fraction:
    """The whole steps in a quantity, units, toward zero."""
    return sign_of(qty) * floor(abs(qty) / step) * step


def snapped(target: Fraction, step: Fraction) -> Fraction:
    """02 State: T within 10^-6 step of a whole number of steps is that number, before any rounding."""
    whole = round(target / step) * step
    return whole if abs(target - whole) <= SNAP * step else target


def rounded(target: Fraction, committed: Fraction, step: Fraction, policy: str) -> Fraction:
    """02 step 3, "Rounding policy", on the grid through what is committed (ADR 0007). Signed units."""
    same = sign_of(committed) == sign_of(target)
    odd = committed - toward_zero(committed, step) if same else ZERO
    wanted = snapped(target - odd, step)
    if sign_of(wanted) != sign_of(target):
        return ZERO  # nearer to zero than the odd rest: no whole steps lead there
    if policy == "hold" and same:
        return committed + toward_zero(snapped(target - committed, step), step)
    if policy == "nearest":
        low = toward_zero(wanted, step)
        return odd + low + (sign_of(wanted) * step if 2 * abs(wanted - low) > step else ZERO)
    return odd + toward_zero(wanted, step)


def desired(line: Line) -> Fraction:
    """02 step 3: the position that the line's target asks for, signed units. See `asked`."""
    target, filled, least = line.target, line.filled, line.instrument.least
    if target == 0:
        return ZERO
    committed = line.committed
    lots = rounded(target, committed, line.instrument.step, line.subscription.rounding)
    if abs(lots) >= least:
        return lots
    if sign_of(filled) != sign_of(target) and sign_of(committed) != sign_of(target):
        return ZERO  # "an increase waits"
    if line.subscription.rounding == "min_lot_if_nonzero":
        if sign_of(filled) != sign_of(target):
            return ZERO  # only works: `asked` says whether it is wanted
        # "A held position is left until T = 0": as much of it as the smallest lot. Less than that cannot be
        # sold: from a little above it one smallest lot is sold, and what is left stays (ADR 0012).
        more = abs(filled) - least
        return sign_of(target) * (min(more, least) if more > 0 else abs(filled))
    if sign_of(filled) == sign_of(target) and abs(filled) < least and not line.closing:
        return filled  # "a part fill below min_lot is held until T = 0"
    return ZERO  # "a reduce getting there closes all"


def asked(line: Line) -> Fraction:
    """`desired`, and the smallest lot where `min_lot_if_nonzero` opens it: within `max_inflation`."""
    want, target, least = desired(line), line.target, line.instrument.least
    rule = line.subscription
    if rule.rounding != "min_lot_if_nonzero" or want or not target:
        return want
    return sign_of(target) * least if least / abs(target) <= rule.max_inflation else want


def rate_of(line: Line, ours: Fraction, theirs: Fraction) -> Fraction:
    """02 step 2, table: follower units per leader unit. `ours` over `theirs` is the ratio of account
    values, or of leader's price to follower's price for `notional`."""
    mode, factor, qty_factor = line.subscription.mode, line.subscription.factor, line.mapping.qty_factor
    if mode == "percent":
        factor = factor / 100
    if mode == "notional":
        return factor * ours / theirs  # the same contract value: no factor of the symbol map is in it
    rate = factor * qty_factor * ours / theirs
    if mode == "lots_multiplier":
        rate *= line.instrument.contract / line.leader_instrument.contract
    return rate


def lots_per_lot(line: Line, rate: Fraction) -> Fraction:
    """What `max_ratio` is compared with: follower lots per leader lot."""
    return rate * line.leader_instrument.contract / line.instrument.contract


def too_late(line: Line, order: LeaderOrder, since_ns: int | None, now_ns: int) -> str | None:
    """02 steps 1 and 2: why an increase enlarges nothing, whatever it is worth."""
    if order.frozen:
        return "frozen_order"
    return "stale" if since_ns is None or now_ns - since_ns > line.subscription.max_age_ns else None


def share(increase: Fraction, order_qty: Fraction, cum_qty: Fraction) -> Fraction:
    """02 step 2, amount modes: the part of what is left of an amount that an increase opens."""
    divisor = order_qty - (cum_qty - increase)
    return Fraction(1) if divisor <= 0 else min(Fraction(1), increase / divisor)


def split(qty: Fraction, cap: Fraction | None, step: Fraction) -> list[Fraction]:
    """02 step 3: parts of at most `cap`, equal within one step, larger first; a residue with the last."""
    if cap is None or qty <= cap:
        return [qty]
    steps, count = floor(qty / step), -(-qty // cap)
    base, more = divmod(steps, count)
    parts = [(base + (1 if n < more else 0)) * step for n in range(count)]
    parts[-1] += qty - steps * step
    return parts


def cap_of(instrument: Instrument, *limits: Limits) -> Fraction | None:
    """The largest single order, units: the venue's and the bounds'."""
    lots = [instrument.max_lots, *(limit.max_order_lots for limit in limits)]
    return min((x * instrument.contract for x in lots if x is not None), default=None)


def limit_px(line: Line, sign: int) -> Fraction | None:
    """02 "What is copied": the leader's price and the allowed slippage, on a tick that is not beyond it."""
    bps, px, tick = line.subscription.slippage_bps, line.leader_px, line.instrument.tick
    if bps is None or px is None:
        return None
    bound = px * line.mapping.price_factor * (1 + sign * bps / BPS)
    ticks = floor(bound / tick) if sign > 0 else -floor(-bound / tick)
    return ticks * tick
