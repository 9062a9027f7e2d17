"""Rules about sessions, accounts, sockets and secrets: what meets other processes and other firms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.config_read import Draft
from gateway.errors import Severity
from gateway.toml_lines import Key

IPC_PATH_BYTES_MAX = 107
"""sun_path of a Unix socket on Linux, without its final zero."""
_LONGEST_IPC_NAME = "observers.ipc"
_NO_ACCOUNT_TEXT = ("comp_id", "none")


def session_use(draft: Draft) -> None:
    """A session is the core's or one route's."""
    leaders = {leader.session: name for name, leader in draft.leaders.items()}
    routes: dict[str, str] = {}
    for name, route in draft.routes.items():
        path = ("routes", name, "session")
        if route.session in leaders:
            text = f"the session is used for both: leader {leaders[route.session]} and this route"
            draft.report(path, text, value=route.session, hint="Add a second session to the broker.")
        if route.session in routes:
            text = f"the session is already that of route {routes[route.session]}"
            draft.report(path, text, value=route.session, hint="One session runs in one process.")
        routes.setdefault(route.session, name)
    needed = {*draft.named_by("leaders", "session"), *draft.named_by("routes", "session")}
    for name in draft.sessions:
        if name not in needed:
            hint = "Name it in a [leaders.NAME] or [routes.NAME], or remove it."
            draft.report(("sessions", name), "the session is not used", hint=hint, severity="warning")
    used = {*draft.named_by("followers", "route"), *draft.named_by("routes", "reserve")}
    for name in draft.routes:
        if name not in used:
            draft.report(("routes", name), "no follower uses this route", severity="warning",
                         hint="Its process would run for nothing.")  # fmt: skip


def reserves(draft: Draft) -> None:
    """A reserve is a session of its own to the same venue, and belongs to one route."""
    taken: dict[str, str] = {}
    used = {follower.route: name for name, follower in draft.followers.items()}
    for name, route in draft.routes.items():
        other = draft.routes.get(route.reserve or "")
        if route.reserve is None or other is None:
            continue
        path = ("routes", name, "reserve")
        profiles = [draft.sessions[r.session].profile for r in (route, other) if r.session in draft.sessions]
        text = ""
        if route.reserve == name or other.reserve is not None:
            text = "must be another route, without a reserve of its own"
        elif route.reserve in used:
            text = f"is the route of follower {used[route.reserve]}: a reserve has no followers"
        elif route.reserve in taken:
            text = f"is the reserve of route {taken[route.reserve]} already"
        elif len(set(profiles)) > 1:
            text = "is another venue: both sessions need the same profile"
        if text:
            hint = "Add a second session to the same accounts, and a route for it."
            draft.report(path, text, value=route.reserve, hint=hint)
        if draft.timing and (ack_ms := route.switch.ack_ms) >= draft.timing.ack_timeout_ms:
            # By then the order counts as unknown, and is waited for no more.
            bound = f"below timing.ack_timeout_ms, {draft.timing.ack_timeout_ms}"
            text = f"never counts: it must be {bound}"
            draft.report(("routes", name, "switch", "ack_ms"), text, value=str(ack_ms))
        taken.setdefault(route.reserve, name)


def comp_ids(draft: Draft) -> None:
    """A FIX engine knows a session by its CompIDs, so they are unique."""
    seen: dict[tuple[str, str, str], str] = {}
    for name, session in draft.sessions.items():
        if session.identity in seen:
            text = f"the same BeginString and CompIDs as session {seen[session.identity]}"
            hint = "Ask the broker for another SenderCompID."
            draft.report(("sessions", name, "sender_comp_id"), text, value=session.sender_comp_id, hint=hint)
        seen.setdefault(session.identity, name)


def accounts(draft: Draft) -> None:
    """One account, one follower: two would each undo what the other does."""
    seen: dict[tuple[str, str], str] = {}
    for name, follower in draft.followers.items():
        route = draft.routes.get(follower.route)
        session = draft.sessions.get(route.session) if route else None
        if session is None:
            continue
        field = draft.profiles.get(session.profile, {}).get("account_field")
        if follower.account is None and field not in _NO_ACCOUNT_TEXT:
            hint = 'Add account = "…", the text its broker knows it by.'
            draft.report(("followers", name, "account"), "the follower has no account", hint=hint)
        # An account belongs to a broker, whichever session leads there.
        key = (session.target_comp_id, follower.account or f"session {session.identity}")
        if key in seen:
            text = f"two followers on one account: {seen[key]} has it already"
            hint = "Copy several leaders into one account with several [[subscriptions]] of one follower."
            draft.report(("followers", name, "account"), text, value=follower.account, hint=hint)
        seen.setdefault(key, name)


def leader_accounts(draft: Draft) -> None:
    """Every report of a session belongs to one leader."""
    seen: dict[tuple[str, str | None], str] = {}
    by_session: dict[str, list[str]] = {}
    for name, leader in draft.leaders.items():
        key = (leader.session, leader.account)
        if key in seen:
            text = f"two leaders on one account: {seen[key]} has it already"
            draft.report(("leaders", name, "account"), text, value=leader.account, hint="Remove one of them.")
        elif (others := by_session.get(leader.session)) and None in (
            leader.account,
            *(draft.leaders[other].account for other in others),
        ):
            text = f"session {leader.session} is shared, so each of its leaders needs an account"
            draft.report(("leaders", name, "account"), text, hint='Add account = "…" to all of them.')
        seen.setdefault(key, name)
        by_session.setdefault(leader.session, []).append(name)
        if not leader.assume_flat and not leader.initial_positions:
            text = "nothing says what this account holds at the start"
            hint = "Opens wait for a position report; or set assume_flat = true, or initial_positions."
            profile = leader_profile(draft, name)
            if keeps_apart(profile) and not profile.get("supports", {}).get("positions", False):
                hint = (
                    "Set assume_flat = true, or initial_positions (the sum of his positions, by which he is "
                    "copied): a hedging account reports each position alone, and this venue is not known to "
                    "answer for all of them."
                )
            draft.report(("leaders", name), text, hint=hint, severity="warning")


def leader_profile(draft: Draft, name: str) -> dict[str, Any]:
    """The venue profile behind a leader; empty while a part of the way is missing."""
    leader = draft.leaders.get(name)
    session = draft.sessions.get(leader.session) if leader else None
    return draft.profiles.get(session.profile, {}) if session else {}


def follower_profile(draft: Draft, name: str) -> dict[str, Any]:
    """The venue profile behind a follower; empty while a part of the way is missing."""
    follower = draft.followers.get(name)
    route = draft.routes.get(follower.route) if follower else None
    session = draft.sessions.get(route.session) if route else None
    return draft.profiles.get(session.profile, {}) if session else {}


def keeps_apart(profile: dict[str, Any]) -> bool:
    """Positions of one symbol stand side by side there."""
    return profile.get("position_model") == "hedging"


def versions(draft: Draft) -> None:
    """Session and profile must speak one version."""
    for name, session in draft.sessions.items():
        profile = draft.profiles.get(session.profile)
        expected = None if profile is None else profile.get("begin_string")
        if expected is not None and expected != session.begin_string:
            text = f"profile {session.profile} is for another version"
            draft.report(
                ("sessions", name, "begin_string"), text, value=session.begin_string, bound=str(expected)
            )


def ports(draft: Draft) -> None:
    """Two processes cannot listen on one port."""
    seen: dict[int, list[tuple[str, str, str]]] = {}
    for path, process, host, port in _listeners(draft):
        for other_process, other_host, other in seen.get(port, []):
            overlap = host == other_host or _any_host(host) or _any_host(other_host)
            if overlap and process != other_process:
                text = f"the port is also listened on by {other}"
                draft.report(path, text, value=port, hint="Give each process a port of its own.")
                break
        seen.setdefault(port, []).append((process, host, ".".join(str(key) for key in path)))


def _listeners(draft: Draft) -> Iterator[tuple[tuple[Key, ...], str, str, int]]:
    if draft.core is not None:
        for key, address in (("bind", draft.core.bind), ("observers", draft.core.observers)):
            if address.startswith("tcp://"):
                host, _, port = address.removeprefix("tcp://").rpartition(":")
                yield ("core", key), f"core.{key}", host, int(port)
    routes = {route.session: name for name, route in draft.routes.items()}
    for name, session in draft.sessions.items():
        if session.role == "acceptor":
            process = f"route {routes[name]}" if name in routes else "core"
            # QuickFIX listens on every address, whatever the session names.
            yield ("sessions", name, "port"), process, "*", session.port


def _any_host(host: str) -> bool:
    return host in ("*", "0.0.0.0", "::", "[::]")


def secrets(draft: Draft) -> None:
    """Secrets must be there, and be secret."""
    for name, session in draft.sessions.items():
        if session.password_file is not None:
            secret_file(draft, ("sessions", name, "password_file"), session.password_file, "error")
        secret_environment(draft, ("sessions", name, "password_env"), session.password_env)
    core = draft.core
    if core is None:
        return
    owners: list[tuple[tuple[Key, ...], Path | None, Path | None]] = [
        (("core",), core.public_key_file, core.secret_key_file)
    ]
    owners += [(("routes", n), r.public_key_file, r.secret_key_file) for n, r in draft.routes.items()]
    for path, public, secret in owners:
        for key, value in (("public_key_file", public), ("secret_key_file", secret)):
            if value is not None:
                # A host holds only the secrets of its own processes, so a missing one is not an error here.
                secret_file(draft, (*path, key), value, "warning", private=key.startswith("secret"))
            elif core.uses_tcp:
                hint = "Make key files with `copygate keys DIR NAME…` and name them here."
                draft.report(
                    (*path, key), "is missing: core.bind is tcp://, which needs CURVE keys", hint=hint
                )
    if core.uses_tcp and core.bind.startswith(("tcp://*", "tcp://0.0.0.0")) and core.connect is None:
        hint = 'Add connect = "tcp://HOST:PORT".'
        draft.report(("core", "connect"), "is missing: routes cannot connect to every address", hint=hint)
    if core.observers.startswith("tcp://") and core.public_key_file is None and not core.uses_tcp:
        hint = "Make key files with `copygate keys DIR core`, or use ipc."
        draft.report(
            ("core", "observers"), "tcp:// needs CURVE keys of the core", value=core.observers, hint=hint
        )


def secret_environment(draft: Draft, path: tuple[Key, ...], variable: str | None) -> None:
    """A variable may be set elsewhere: it is asked for where the process runs."""
    if variable is not None and not os.environ.get(variable):
        hint = "Set it where the gateway runs."
        draft.report(path, "the variable is not set here", value=variable, hint=hint, severity="warning")


def secret_file(
    draft: Draft, path: tuple[Key, ...], value: Path, missing: Severity, *, private: bool = True
) -> None:
    """A file is there, can be read, and by its owner only."""
    file = draft.file.parent / value
    if not file.is_file():
        hint = "Paths are relative to the configuration file."
        draft.report(path, "the file does not exist", value=str(value), hint=hint, severity=missing)
    elif not os.access(file, os.R_OK):
        hint = "Give this user the right to read it."
        draft.report(path, "the file cannot be read", value=str(value), hint=hint, severity=missing)
    elif private and file.stat().st_mode & 0o077:
        hint = f"Others can read it: chmod 600 {value}."
        draft.report(path, "the secret is not secret", value=str(value), hint=hint, severity="warning")


def socket_paths(draft: Draft) -> None:
    """A Unix socket's path has a short bound, and the error it gives says nothing useful."""
    if draft.gateway is None or draft.core is None:
        return
    if "ipc" not in (draft.core.bind, draft.core.observers):
        return
    path = (draft.file.parent / draft.gateway.state_dir).resolve() / "run" / _LONGEST_IPC_NAME
    length = len(str(path).encode())
    if length > IPC_PATH_BYTES_MAX:
        bound = f"at most {IPC_PATH_BYTES_MAX} bytes with /run/{_LONGEST_IPC_NAME}"
        hint = "Choose a shorter state_dir."
        draft.report(("gateway", "state_dir"), "the folder's path is too long for its sockets",
                     value=f"{length} bytes", bound=bound, hint=hint)  # fmt: skip
