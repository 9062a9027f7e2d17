"""Leaders that nobody hears (03, `provider_inactive`; ADR 0018)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.model.terms import MS


@dataclass(frozen=True)
class Inactive:
    """When a leader is inactive; milliseconds, 0 is never."""

    down_ms: int = 0
    silent_ms: int = 0
    close_all: bool = False

    def json(self) -> dict[str, Any]:
        """The core's terms."""
        action = "close_all" if self.close_all else "no_opens"
        return {"down_ms": self.down_ms, "silent_ms": self.silent_ms, "action": action}


@dataclass
class Heard:
    """What is known of the sessions of leaders."""

    rules: dict[str, Inactive]
    down_ns: dict[str, int] = field(default_factory=dict)
    """Since when a session is down."""
    said_ns: dict[str, int] = field(default_factory=dict)
    """When it said something last."""
    inactive: dict[str, str] = field(default_factory=dict)
    """The level of a leader that is."""

    def session(self, leader: str, up: bool, now_ns: int) -> None:
        """A session goes up or down."""
        if up:
            self.down_ns.pop(leader, None)
            self.say(leader, now_ns)
        else:
            self.down_ns.setdefault(leader, now_ns)

    def say(self, leader: str, now_ns: int) -> None:
        """It says something: "the message that ends the silence is copied"."""
        if leader not in self.rules:
            return
        self.said_ns[leader] = now_ns
        self._end(leader, now_ns)

    def _end(self, leader: str, now_ns: int) -> None:
        """ "By itself when it is heard again; after `close_all` by a person"."""
        if self.inactive.get(leader) == "no_opens" and not self._is(leader, now_ns):
            del self.inactive[leader]

    def look(self, now_ns: int) -> list[str]:
        """Leaders whose copies have to be closed now."""
        closing = []
        for leader, rule in self.rules.items():
            self._end(leader, now_ns)
            if leader not in self.inactive and self._is(leader, now_ns):
                self.inactive[leader] = "close_only" if rule.close_all else "no_opens"
                closing += [leader] if rule.close_all else []
        return closing

    def arm(self, leader: str, now_ns: int) -> None:
        """A person lets it go on: it is waited for once more, from now on."""
        if self.inactive.pop(leader, None):
            self.said_ns[leader] = now_ns
            if leader in self.down_ns:
                self.down_ns[leader] = now_ns

    def _is(self, leader: str, now_ns: int) -> bool:
        rule, never_ns = self.rules[leader], now_ns
        down_ns = now_ns - self.down_ns.get(leader, never_ns)
        silent_ns = now_ns - self.said_ns.get(leader, never_ns)
        return (0 < rule.down_ms * MS <= down_ns) or (0 < rule.silent_ms * MS <= silent_ns)
