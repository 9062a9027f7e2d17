"""`ctl kill` while no core answers: the stop is left for the routes of this host, and for the core."""

from __future__ import annotations

from pathlib import Path

from gateway.audit.places import places
from gateway.control import NoCore
from gateway.errors import EnvironmentProblem, UsageError
from gateway.hints import did_you_mean
from gateway.kill_file import EVERYTHING, SCOPES, LeftStop, leave
from gateway.kill_parts import Known, kept

HELD_BACK = {
    "no_opens": ("new opens", ""),
    "close_only": ("new opens", ""),
    "halt": ("every new order", ", closes too,"),
}
"""What routes do by themselves while no core answers."""
KNOWN_BY = {
    "follower": " A route tells followers by the account on orders; where they have none, all are held back.",
    "instrument": " A route tells instruments by the symbol on its orders, also others with the same symbol.",
    "route": "",
    EVERYTHING: "",
}
WIDER = "To stop everything, leave out the scope."
ROUTES_MAX = 12
"""Routes that are named in a message."""


def without_core(config: Path, problem: NoCore, stop: LeftStop) -> EnvironmentProblem:
    """Leaves a stop, as far as that goes; the error says how far.

    Raises UsageError where what runs does not know the name: what is spelt wrong would stop nothing.
    """
    state = places(config).state
    known = kept(state)
    if known is not None and stop.scope != EVERYTHING:
        know(stop.scope, stop.name, known.names(stop.scope))
    if stop.scope not in (EVERYTHING, *SCOPES):
        why = f"no order says its {stop.scope}, so no route can tell"
        hint = f"Nothing is stopped: without a core {why}. Stop the followers by name. {WIDER}"
    else:
        try:
            hint = _left(leave(state, stop), known)
        except OSError as error:
            hint = f"It could not be left for the routes either: {error}. Stop the processes."
    return EnvironmentProblem(problem.message, path=problem.path, value=problem.value, hint=hint)


def _left(stands: LeftStop, known: Known | None) -> str:
    what = "" if stands.scope == EVERYTHING else f" of {stands.scope} {stands.name}"
    return (
        f"Left at {stands.level}{what} for the routes of this host and for the core."
        f" {_held_back(stands, what, known)}"
        " The core (`copygate run`) takes it up when it is back. Orders at brokers stay there."
    )


def _held_back(stands: LeftStop, what: str, known: Known | None) -> str:
    held, too = HELD_BACK[stands.level]
    if stands.scope == EVERYTHING:
        who = "The routes of this host hold"
    elif known is None:
        return "Nothing was started here that says its names: whether a route knows this one is not known."
    elif routes := known.routes_under(stands):
        names = ", ".join(routes[:ROUTES_MAX]) + (", …" if len(routes) > ROUTES_MAX else "")
        who = f"Routes {names} hold" if len(routes) > 1 else f"Route {names} holds"
    else:
        return "No route of what was started here has orders of it: only the core can stop it."
    return (
        f"{who} back {held}{what}{too} from the next beat on; nothing is cancelled without a core."
        f"{KNOWN_BY[stands.scope]}"
    )


def know(scope: str, name: str, names: list[str]) -> None:
    """Raises UsageError where what runs has no such name."""
    if name not in names:
        hint = " ".join(filter(None, [did_you_mean(name, names), WIDER]))
        message = f"no such {scope} in what was started"
        raise UsageError(message, path=f"--{scope}", value=name, hint=hint)
