"""What a person stops: everything, a leader, a follower, an instrument, a route, or one subscription (03, the
page about stopping)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.terms import Line

LEVELS = ("", "no_opens", "close_only", "halt")
"""From nothing to most; each does what those before it do."""
NO_OPENS, CLOSE_ONLY, HALT = 1, 2, 3


@dataclass
class Stops:
    """Each kind of stop by its scope: the number of its level."""

    kills: dict[tuple[str, str], int] = field(default_factory=dict)
    """(kind, name) of a scope; ("global", "") is all."""
    pauses: dict[str, int] = field(default_factory=dict)
    """By subscription."""

    def kill(self, scope: tuple[str, str], level: int) -> None:
        """ "`kill` never lowers a stop"."""
        self.kills[scope] = max(level, self.kills.get(scope, 0))

    def arm(self, scope: tuple[str, str]) -> None:
        """ "Only `arm` of the same scope ends it"."""
        self.kills.pop(scope, None)

    def pause(self, subscription: str, level: int) -> None:
        """ "It is never lowered by another one"."""
        self.pauses[subscription] = max(level, self.pauses.get(subscription, 0))

    def resume(self, subscription: str) -> None:
        """ "`resume` ends no `kill`"."""
        self.pauses.pop(subscription, None)

    def killed(self, line: Line) -> int:
        """ "A line is stopped at the highest level of all that it is under"."""
        return max(self.kills.get(scope, 0) for scope in _scopes(line))

    def level(self, line: Line) -> int:
        """The same with the pause of its subscription."""
        return max(self.killed(line), self.pauses.get(line.subscription.name, 0))

    def refusal(self, line: Line) -> str | None:
        """Why it may not open: "`kill`; `paused`" are asked first."""
        if self.killed(line):
            return "kill"
        return "paused" if line.subscription.name in self.pauses else None


def _scopes(line: Line) -> list[tuple[str, str]]:
    """ "An instrument is stopped under the leader's name for it and under the follower's"."""
    return [
        ("global", ""),
        ("leader", line.subscription.leader),
        ("follower", line.subscription.follower),
        ("instrument", line.leader_instrument.name),
        ("instrument", line.instrument.name),
        ("route", "r"),
    ]
