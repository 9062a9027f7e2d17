"""Rules about blocks: whoever shares a leader's quantity counts it alike."""

from __future__ import annotations

from decimal import Decimal, localcontext

from gateway.config_model import ByBlock, SubscriptionConfig
from gateway.config_read import Draft
from gateway.config_rules_lots import convertible, currency_of
from gateway.config_types import decimal_text

Lot = tuple[Decimal, Decimal]


def blocks(draft: Draft) -> None:
    """Members of one leader's block have one kind of weight, one direction, and lots of one size."""
    first: dict[str, tuple[SubscriptionConfig, ByBlock]] = {}
    for number, item in draft.subscriptions.items():
        if isinstance(item.sizing, ByBlock):
            _alike(draft, first.setdefault(item.leader, (item, item.sizing)), number, (item, item.sizing))
            _currencies(draft, number, item, item.sizing)


def _alike(
    draft: Draft,
    first: tuple[SubscriptionConfig, ByBlock],
    number: int,
    member: tuple[SubscriptionConfig, ByBlock],
) -> None:
    at, (item, rule) = ("subscriptions", number), member
    bound = f"as in {first[0].label}, of the same block"
    if rule.by != first[1].by:
        draft.report((*at, "sizing", "by"), "weights that cannot be compared", value=rule.by, bound=bound)
    if item.reverse != first[0].reverse:
        draft.report((*at, "reverse"), "a block has one direction", value=item.reverse, bound=bound)
    for source in draft.instruments:
        ours, theirs = _lot(draft, item, source), _lot(draft, first[0], source)
        if ours is not None and theirs is not None and ours != theirs:
            text = f"lots of {source} that cannot be divided: {_difference(ours, theirs)}"
            hint = "Members of a block need the same lot_step x contract_size, and the same qty_factor."
            draft.report((*at, "symbol_map"), text, bound=bound, hint=hint)
            return


def _difference(ours: Lot, theirs: Lot) -> str:
    """What makes two lots unlike, in words."""
    with localcontext() as context:
        context.prec = 80
        units = [(step / factor).normalize() for step, factor in (ours, theirs)]
    if units[0] != units[1]:
        return f"a lot step is {decimal_text(units[0])} leader units, not {decimal_text(units[1])}"
    return f"of equal size, and with qty_factor {decimal_text(ours[1])}, not {decimal_text(theirs[1])}"


def _lot(draft: Draft, item: SubscriptionConfig, source: str) -> Lot | None:
    """A lot step in follower units, and its qty_factor, which the core compares both; None where it is not
    copied."""
    mapped = item.symbol_map.get(source)
    name = source if mapped is None else mapped.instrument
    target = draft.instruments.get(name)
    sides = ((draft.leaders.get(item.leader), source), (draft.followers.get(item.follower), name))
    traded = all(one is None or one.symbols is None or what in one.symbols.values() for one, what in sides)
    if target is None or not traded:
        return None
    with localcontext() as context:
        context.prec = 80
        factor = Decimal(1) if mapped is None else mapped.qty_factor
        return (target.lot_step * target.contract_size).normalize(), factor.normalize()


def _currencies(draft: Draft, number: int, item: SubscriptionConfig, rule: ByBlock) -> None:
    leader, follower = draft.leaders.get(item.leader), draft.followers.get(item.follower)
    if rule.by == "weight" or leader is None or follower is None:
        return
    why = f"subscription {item.label} weighs accounts in it"
    ours = currency_of(draft, ("followers", item.follower), follower, why)
    theirs = currency_of(draft, ("leaders", item.leader), leader, why)
    if theirs is not None and ours is not None:
        convertible(draft, ("subscriptions", number, "sizing"), theirs, ours)
