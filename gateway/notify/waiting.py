"""Alerts that wait for one sink: bounded, and the first of each code never goes. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, replace
from typing import Any

from gateway.notify.alert import Alert, of_state

WAITING_MAX = 500
"""While a sink is down, so many wait for it: half a megabyte. A gate lets six of a code through a minute."""
CODES_MAX = 1_000
"""Waiting alerts of as many codes: there are not so many, so it bounds a spool that is not ours."""


class Waiting:
    """The queue of one sink, oldest first, and the one alert that is being told."""

    def __init__(self, alerts: list[Alert] | None = None, room: int = WAITING_MAX) -> None:
        self._alerts = deque(alerts or ())
        self._room = room
        self.flying: Alert | None = None
        """Handed out, and neither told nor given back."""

    def __len__(self) -> int:
        return len(self._alerts) + (self.flying is not None)

    def put(self, alert: Alert) -> None:
        """Adds an alert. Where there is no room, the oldest that repeats an older one is counted in that."""
        self._alerts.append(alert)
        while len(self._alerts) > self._room and self._merge_one():
            pass
        while len(self._alerts) > max(self._room, CODES_MAX):
            self._alerts.popleft()

    def take(self) -> Alert | None:
        """The oldest, to be told; None when there is none, or one is being told already."""
        if self.flying is not None or not self._alerts:
            return None
        self.flying = self._alerts.popleft()
        return self.flying

    def told(self) -> None:
        """What was handed out is done with."""
        self.flying = None

    def give_back(self) -> None:
        """What was handed out was not told: it is the oldest again."""
        if self.flying is not None:
            self._alerts.appendleft(self.flying)
            self.flying = None

    def state(self) -> list[dict[str, Any]]:
        """As plain data, for a later process: what is being told may not have been."""
        flying = [] if self.flying is None else [self.flying]
        return [asdict(alert) for alert in [*flying, *self._alerts]]

    def _merge_one(self) -> bool:
        first: dict[str, int] = {}
        for number, alert in enumerate(self._alerts):
            if alert.code not in first:
                first[alert.code] = number
                continue
            older = self._alerts[first[alert.code]]
            more = older.held_back + alert.held_back + 1
            self._alerts[first[alert.code]] = replace(older, held_back=more)
            del self._alerts[number]
            return True
        return False


def alerts_of(values: list[dict[str, Any]]) -> list[Alert]:
    """What `state` gave. Raises TypeError or ValueError where it is something else."""
    return [of_state(value) for value in values]
