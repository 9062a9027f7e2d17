"""`ctl kill` while no core answers: the stop is left for the routes of this host, and for the core."""

from __future__ import annotations

from pathlib import Path

from gateway.audit.places import names_in, places
from gateway.control import NoCore
from gateway.errors import EnvironmentProblem, UsageError
from gateway.hints import did_you_mean
from gateway.kill_file import EVERYTHING, SCOPES, LeftStop, leave

HELD_BACK = {
    "no_opens": "new opens",
    "close_only": "new opens",
    "halt": "every new order, closes too",
}
"""What routes do by themselves while no core answers."""
KNOWN_BY = {
    "follower": " They know it by Account(1); a route whose orders have none holds back all its orders.",
    "instrument": " They know it by the Symbol(55) that it has there.",
    "route": "",
    EVERYTHING: "",
}
WIDER = "To stop everything, leave out the scope."


def without_core(config: Path, problem: NoCore, stop: LeftStop) -> EnvironmentProblem:
    """Leaves a stop, as far as that goes; the error says how far.

    Raises UsageError where the file does not know the name: what is spelt wrong would stop nothing.
    """
    if stop.scope not in (EVERYTHING, *SCOPES):
        why = f"no order says its {stop.scope}, so no route can tell"
        hint = f"Nothing is stopped: without a core {why}. Stop the followers by name. {WIDER}"
    else:
        if stop.scope != EVERYTHING:
            _known(config, stop)
        try:
            hint = _left(leave(places(config).state, stop))
        except OSError as error:
            hint = f"It could not be left for the routes either: {error}. Stop the processes."
    return EnvironmentProblem(problem.message, path=problem.path, value=problem.value, hint=hint)


def _left(stands: LeftStop) -> str:
    what = "" if stands.scope == EVERYTHING else f" of {stands.scope} {stands.name}"
    return (
        f"Left at {stands.level}{what} for the routes of this host and for the core: from their next beat"
        f" on routes hold back {HELD_BACK[stands.level]}{what}; nothing is cancelled without a core."
        f"{KNOWN_BY[stands.scope]}"
        " The core (`copygate run`) takes it up when it is back. Orders at brokers stay there."
    )


def _known(config: Path, stop: LeftStop) -> None:
    names = names_in(config, f"{stop.scope}s")
    if stop.name not in names:
        hint = " ".join(filter(None, [did_you_mean(stop.name, names), WIDER]))
        path = f"--{stop.scope}"
        raise UsageError(f"no such {stop.scope} in the file", path=path, value=stop.name, hint=hint)
