"""Which rule decided: a hash in each decision. Pure: it is told the lines of a replay in their order."""

from __future__ import annotations

import hashlib
from typing import Any

from gateway.audit.entry import Entry, build, canonical, parsed


class Rules:
    """Makes the entries of a replay; knows the rules of the START row in force."""

    def __init__(self, config_json: str = "", position: int = 0) -> None:
        """`config_json` is in force at row `position`, where a replay goes on; empty before the first."""
        self._hashes: dict[str, str] = {}
        if config_json:
            self._learn(parsed(position, config_json))

    def entry(self, journal: int, kind: str, text: str) -> Entry:
        """The entry for the next line of the replay; a decision has the hash of its rule."""
        fields = parsed(journal, text)
        if kind == "start":
            self._learn(fields.get("config"))
        elif kind == "decision":
            fields["rule_hash"] = self._hashes.get(str(fields.get("subscription")))
        return build(journal, kind, fields)

    def _learn(self, config: Any) -> None:
        found = config.get("subscriptions") if isinstance(config, dict) else None
        rules = [rule for rule in found or [] if isinstance(rule, dict)]
        self._hashes = {str(rule.get("name")): rule_hash(rule) for rule in rules}


def rule_hash(rule: dict[str, Any]) -> str:
    """SHA-256, in hex, of a subscription as the START row has it, in canonical JSON (RFC 8785)."""
    return hashlib.sha256(canonical(rule)).hexdigest()
