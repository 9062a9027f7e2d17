"""Looks at a machine and a deployment for the doctor, and changes nothing but a file that it removes."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from gateway import control, kill_file
from gateway.audit.alive import last_word
from gateway.config import GatewayConfig, examine
from gateway.config_alerts import WebhookSink
from gateway.doctor import network, system
from gateway.doctor.facts import Disk, Facts, KeyPair, Machine, Running, SecretFile, Wanted
from gateway.doctor.program import dictionaries, program
from gateway.errors import OperatingError
from gateway.keys import read_key
from gateway.notify.kept import file_of
from gateway.notify.spool import folder_of

SYNC_BYTES, SYNC_TIMES, SYNC_S_MAX = 4096, 20, 2.0
"""So many appends, or as many as there is time for: a disk that takes a second for each is known by two."""
JSON_BYTES_MAX = 64 * 1024 * 1024


def gather(path: Path, offline: bool) -> Facts:
    """All facts. Raises nothing for what is wrong: that is a fact."""
    clocks = time.time_ns(), time.monotonic_ns()
    config, problems = examine(path)
    errors = tuple(problem.text() for problem in problems if problem.severity == "error")
    if config is None:
        machine = _machine(clocks, None)
        return Facts(str(path), errors or ("it cannot be read",), 0, offline, program(), machine)
    running = _running(config)
    ours = frozenset(holder.pid for _, holder in running.locks if holder is not None)
    core_pid = next((holder.pid for folder, holder in running.locks if folder == "core" and holder), None)
    up = _sessions_up(config, running, ours)
    disk = _disk(config.state_dir)
    ports = network.ports(config, ours)
    return Facts(
        config_path=str(path),
        warnings=len(problems),
        is_offline=offline,
        program=program(),
        wanted=_wanted(config),
        disk=disk,
        secrets=_secrets(config),
        variables=_variables(config),
        keys=_keys(config),
        ports=ports,
        peers=() if offline else network.peers(config, up),
        profiles=tuple(config.profiles),
        dictionaries=dictionaries(config),
        left_stops=_left_stops(config.state_dir),
        running=running,
        # Last: the clocks have had time to differ.
        machine=_machine(clocks, core_pid),
    )


def _machine(clocks: tuple[int, int], core_pid: int | None) -> Machine:
    wall_ns, steady_ns = clocks
    passed_ns = time.monotonic_ns() - steady_ns
    ahead_ns = time.time_ns() - wall_ns - passed_ns
    return system.machine(ahead_ns * 1e6 / max(passed_ns, 1), core_pid)


def _wanted(config: GatewayConfig) -> Wanted:
    return Wanted(
        durability=config.gateway.durability,
        clock_error_us=None if config.clock is None else config.clock.max_error_us,
        sessions=len(config.sessions),
        leader_sessions=len(config.leader_sessions()),
        routes=len(config.routes),
        followers=len(config.followers),
        sinks=tuple(config.alerts.sinks),
        orphan_ms=config.core.orphan_ms,
    )


def _disk(folder: Path) -> Disk:
    """The state folder, or where it will be."""
    place = next(path for path in (folder, *folder.parents) if _is_there(path))
    found = place.stat()
    usage = shutil.disk_usage(place)
    kind, mounted_at = system.file_system(place)
    problem, number = "" if place.is_dir() else "it is no folder", 0
    times: tuple[int, ...] = ()
    if not problem:
        try:
            times = _sync_times(place)
        except OSError as error:
            problem, number = error.strerror or str(error), error.errno or 0
    return Disk(
        exists=place == folder,
        path=str(folder),
        mode=stat.S_IMODE(found.st_mode),
        owner_uid=found.st_uid,
        file_system=kind,
        mounted_at=mounted_at,
        free_bytes=usage.free,
        total_bytes=usage.total,
        sync_us=times,
        problem=problem,
        problem_errno=number,
    )


def _sync_times(folder: Path) -> tuple[int, ...]:
    """Microseconds of each append with fsync. The file goes, whatever happens."""
    times: list[int] = []
    with tempfile.TemporaryFile(dir=folder, prefix=".doctor-", buffering=0) as file:
        begin_s = time.monotonic()
        while len(times) < SYNC_TIMES and time.monotonic() - begin_s < SYNC_S_MAX:
            began_ns = time.perf_counter_ns()
            file.write(os.urandom(SYNC_BYTES))
            os.fsync(file.fileno())
            times.append((time.perf_counter_ns() - began_ns) // 1000)
    return tuple(times)


def _secrets(config: GatewayConfig) -> tuple[SecretFile, ...]:
    places: list[tuple[str, Path | None]] = [
        (f"sessions.{name}.password_file", session.password_file) for name, session in config.sessions.items()
    ]
    for name, sink in config.alerts.sinks.items():
        if isinstance(sink, WebhookSink):
            places.append((f"alerts.sinks.{name}.url_file", sink.url_file))
            places.append((f"alerts.sinks.{name}.token_file", sink.token_file))
    found = [_secret(key, config.resolve(path)) for key, path in places if path is not None]
    keys: list[tuple[str, Path | None]] = [("core.secret_key_file", config.core.secret_key_file)]
    keys += [
        (f"routes.{name}.secret_key_file", route.secret_key_file) for name, route in config.routes.items()
    ]
    for key, path in keys:
        # Those of other hosts are not here, and need not be.
        if path is not None and _is_there(config.resolve(path)):
            found.append(_secret(key, config.resolve(path)))
    return tuple(found)


def _secret(key: str, path: Path) -> SecretFile:
    try:
        found = path.stat()
        with path.open("rb"):
            pass
    except OSError as error:
        return SecretFile(key, str(path), error.strerror or str(error))
    return SecretFile(key, str(path), "", stat.S_IMODE(found.st_mode), found.st_uid)


def _variables(config: GatewayConfig) -> tuple[tuple[str, str, bool], ...]:
    named = [(f"sessions.{name}.password_env", one.password_env) for name, one in config.sessions.items()]
    for name, sink in config.alerts.sinks.items():
        if isinstance(sink, WebhookSink):
            named.append((f"alerts.sinks.{name}.url_env", sink.url_env))
            named.append((f"alerts.sinks.{name}.token_env", sink.token_env))
    return tuple((key, name, bool(os.environ.get(name))) for key, name in named if name is not None)


def _keys(config: GatewayConfig) -> tuple[KeyPair, ...]:
    owners: list[tuple[str, Path | None, Path | None]] = [
        ("core", config.core.public_key_file, config.core.secret_key_file)
    ]
    owners += [(f"routes.{n}", r.public_key_file, r.secret_key_file) for n, r in config.routes.items()]
    return tuple(
        _key_pair(owner, config.resolve(public), None if secret is None else config.resolve(secret))
        for owner, public, secret in owners
        if public is not None
    )


def _key_pair(owner: str, public: Path, secret: Path | None) -> KeyPair:
    import zmq

    if not _is_there(public):
        return KeyPair(owner, is_missing=True)
    try:
        public_key = read_key(public)
        if secret is None or not _is_there(secret):
            return KeyPair(owner)
        return KeyPair(owner, has_both=True, is_pair=zmq.curve_public(read_key(secret)) == public_key)
    except OperatingError as error:
        return KeyPair(owner, problem=error.text())
    except zmq.ZMQError as error:
        return KeyPair(owner, problem=f"{secret}: {error}")


def _left_stops(state_dir: Path) -> tuple[str, ...]:
    if _is_there(state_dir) and not os.access(state_dir, os.R_OK | os.X_OK, effective_ids=True):
        return ()  # A file that cannot be read would count as a stop.
    return tuple(stop.text for stop in kill_file.left(state_dir))


def _running(config: GatewayConfig) -> Running:
    state = config.state_dir
    status, problem = None, ""
    try:
        status = control.ask(config, {"cmd": "status"})
    except control.NoCore as error:
        # Nobody listens: nothing runs. Somebody who does not answer is another matter.
        problem = error.text() if error.value is not None else ""
    except OSError as error:
        problem = f"its control socket: {error.strerror}"
    folders = ["core", *(f"route-{name}" for name in config.routes), "audit", "alerts"]
    held = tuple(
        (folder, system.lock_holder(lock)) for folder in folders if _is_there(lock := state / folder / "lock")
    )
    return Running(status, problem, last_word(state / "audit"), _json(file_of(folder_of(state))), held)


def _sessions_up(config: GatewayConfig, running: Running, ours: frozenset[int]) -> frozenset[str]:
    """Sessions of a running deployment that are connected: their counterparties need no second connection."""
    if running.status is None:
        return frozenset()
    routes = [route["name"] for route in running.status.get("routes") or [] if route.get("up")]
    linked = {config.routes[name].session for name in routes if name in config.routes}
    return frozenset(linked) | network.connected(config, ours)


def _is_there(path: Path) -> bool:
    """Whether this user can see it. What is behind a closed door is not known; the door is a finding."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def _json(path: Path) -> dict[str, object] | None:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(JSON_BYTES_MAX))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
