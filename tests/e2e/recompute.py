"""A decision worked out again from its entry alone, with exact fractions and nothing of the gateway."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from typing import Any

QUANTA = 10**18
"""Targets are counted in quanta of the follower's lot step, quantities in units with 18 decimals."""


def target_moved(entry: dict[str, Any]) -> int:
    """The target as the leader's execution moved it, quanta."""
    numbers = entry["conversion"]
    target = int(entry["target_before"])
    held, reduce = abs(Fraction(numbers["position_before"])), Fraction(numbers["reduce"])
    if reduce:
        target = 0 if reduce >= held else round(target * (held - reduce) / held)
    if Fraction(numbers["counted"]):
        sells = Fraction(entry["leader_delta"]) < 0
        target += -size(entry) if sells != numbers["reverse"] else size(entry)
    return target


def size(entry: dict[str, Any]) -> int:
    """What the increase is worth, quanta."""
    numbers, ratio, step = entry["conversion"], Fraction(entry["ratio"]), Fraction(entry["step"])
    counted, increase = Fraction(numbers["counted"]), Fraction(numbers["increase"])
    if numbers["sized"] is None:
        return round(ratio * counted / step * QUANTA)
    rest, left = ratio - Fraction(numbers["sized"]), Fraction(numbers["order_open"])
    share = rest if left <= 0 or increase >= left else places(rest * increase / left)
    return round(max(places(share * counted / increase), Fraction(0)) / step * QUANTA)


def ratio(entry: dict[str, Any], rule: dict[str, Any]) -> Fraction | None:
    """The ratio of a rule that needs no account value and no quote."""
    numbers, sizing = entry["conversion"], rule["sizing"]
    factor, ours = Fraction(numbers["qty_factor"]), Fraction(numbers["follower_contract"])
    lot = ours / Fraction(numbers["leader_contract"])
    match sizing["mode"]:
        case "multiplier":
            return places(Fraction(sizing["k"]) * factor)
        case "percent":
            return places(places(Fraction(sizing["percent"]) / 100) * factor)
        case "lots_multiplier":
            return places(places(Fraction(sizing["k"]) * factor) * lot)
        case "fixed":
            return places(Fraction(sizing["lots"]) * ours)
    return None


def rule_hash(rule: dict[str, Any]) -> str:
    """SHA-256 of a rule in canonical JSON; its keys are plain letters, so sorting them is enough."""
    text = json.dumps(rule, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def places(value: Fraction) -> Fraction:
    """Rounded half-even to 18 decimals, as each product and quotient of the core is."""
    return Fraction(round(value * QUANTA), QUANTA)
