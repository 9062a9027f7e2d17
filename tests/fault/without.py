"""Rules of delivery that a run can leave out, to see that the judge finds what follows.

Rules of the core need the build of `make fault-rules`; rules of the shells are patched here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LeftOut:
    """A rule, and under what faults the judge is to find that it is missing."""

    name: str
    kinds: str
    says: str
    seeds: str = "1..8"
    """Enough of them that one meets the hole."""
    shell: bool = False
    """A rule of the shells: any build will do."""


LEFT_OUT = (
    LeftOut("dedupe", "repeat", "a report that was counted is not counted again"),
    LeftOut("out_row", "kill,kill_at_step", "no order leaves before its OUT row is written"),
    LeftOut("sync", "kill,kill_at_step", "a new route is judged behind its older rows"),
    LeftOut("probe", "lose_orders", "an order that a route does not answer for is asked about"),
    LeftOut("ack_timeout", "garble_out,cut", "an order that left and is not answered is asked about"),
    LeftOut("asks_again", "garble_out,cut", "a question that is not answered is asked again"),
    LeftOut(
        "settle", "slow_gateway,skip_numbers", '"not known" proves nothing before the settle time', "3,6,9"
    ),
    LeftOut("try_numbers", "garble_out,cut", "an answer about another try of an order does not count"),
    LeftOut("query_ids", "crossed_answers", "the answer to an older question does not count for the newest"),
    LeftOut("deadline", "down", "an open past its deadline does not leave"),
    LeftOut("who", "pause", "a route that was taken for lost is asked who it is"),
    LeftOut("replay", "half_open", "what QuickFIX would replay does not leave", "4,6,8", shell=True),
    LeftOut("journal_exit", "full,read_only", "a process whose journal fails ends", "1..4", shell=True),
)


def leave_out(name: str) -> None:
    """Leaves a rule out of this process and of those that it forks. ValueError: none of this name."""
    if not name:
        return
    found = next((rule for rule in LEFT_OUT if rule.name == name), None)
    if found is None:
        raise ValueError(f"no such rule: {name}; there are {', '.join(rule.name for rule in LEFT_OUT)}")
    if found.shell:
        _SHELL[name]()
        return
    from gateway import _fastcore

    if not hasattr(_fastcore, "leave_out"):
        raise ValueError(f"{name} is a rule of the core: give the build of `make fault-rules` by --core")
    assert _fastcore.leave_out(name)


def _replay() -> None:
    """QuickFIX keeps orders, and may replay them."""
    from gateway.fix import settings
    from gateway.fix.application import Application

    settings.PERSIST_MESSAGES = "Y"
    Application._is_replayed = lambda *_: False  # type: ignore[method-assign]


def _journal_exit() -> None:
    """A process whose journal refuses a row goes on: the message is consumed, and nobody has it."""
    from gateway import core
    from gateway.fix.application import Application

    _swallow(Application, "_write")
    _swallow(core.SocketLoop, "turn")


def _swallow(kind: Any, name: str) -> None:
    call = getattr(kind, name)

    def call_or_not(self: Any, *args: Any) -> None:
        try:
            call(self, *args)
        except Exception:  # noqa: BLE001 (this is the mistake that is to be found)
            return

    setattr(kind, name, call_or_not)


_SHELL = {"replay": _replay, "journal_exit": _journal_exit}
