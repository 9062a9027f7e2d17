"""Which rule decided: a hash in each decision. Pure: it is told the lines of a replay in their order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

from gateway.audit.entry import Entry, build, canonical, parsed

Hashes = dict[str, str]
"""Subscription → hash of its rule."""
Read = Callable[[], tuple[Entry | None, Hashes]]


def _here(read: Read, _chars: int) -> tuple[Entry | None, Hashes]:
    return read()


class Rules:
    """Makes the entries of a replay; knows the rules of the START row in force."""

    def __init__(
        self,
        config_json: str = "",
        position: int = 0,
        reader: Callable[[Read, int], tuple[Entry | None, Hashes]] = _here,
    ) -> None:
        """`config_json` is in force at row `position`, where a replay goes on; empty before the first.

        `reader` runs what reads a configuration, told how many characters it has.
        """
        self._reader = reader
        self._hashes: Hashes = {}
        if config_json:
            _, self._hashes = reader(partial(_in_force, position, config_json), len(config_json))

    def entry(self, journal: int, kind: str, text: str) -> Entry:
        """The entry for the next line of the replay; decisions and steps of mirrors have a rule's hash."""
        if kind == "start":
            found, self._hashes = self._reader(partial(_started, journal, text), len(text))
            assert found is not None
            return found
        fields = parsed(journal, text)
        if kind in ("decision", "mirror"):
            fields["rule_hash"] = self._hashes.get(str(fields.get("subscription")))
        return build(journal, kind, fields)


def _in_force(position: int, config_json: str) -> tuple[None, Hashes]:
    return None, _hashes_of(parsed(position, config_json))


def _started(journal: int, text: str) -> tuple[Entry, Hashes]:
    fields = parsed(journal, text)
    return build(journal, "start", fields), _hashes_of(fields.get("config"))


def _hashes_of(config: Any) -> Hashes:
    found = config.get("subscriptions") if isinstance(config, dict) else None
    rules = [rule for rule in found or [] if isinstance(rule, dict)]
    return {str(rule.get("name")): rule_hash(rule) for rule in rules}


def rule_hash(rule: dict[str, Any]) -> str:
    """SHA-256, in hex, of a subscription as the START row has it, in canonical JSON (RFC 8785)."""
    return hashlib.sha256(canonical(rule)).hexdigest()
