"""Operator commands: one JSON object per request, each command a journaled event.

The socket is a file in the state folder that only its owner can open, so whoever can write there may command.
"""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import zmq

from gateway import clock, kill_file
from gateway.config import GatewayConfig
from gateway.errors import EnvironmentProblem, ExitCode

if TYPE_CHECKING:
    from gateway._fastcore import Pipeline

REQUEST_BYTES_MAX = 65_536
ANSWER_MS = 3_000
"""A core that does not answer for this long is down or stuck."""
OWNER_ONLY = 0o600
NO_CORE = "Is `copygate run` running? Without a core no route opens anything; orders at brokers stay there."

log = structlog.get_logger("control")


class NoCore(EnvironmentProblem):
    """Nobody answered: not known what is in effect."""


def socket_of(state_dir: Path) -> Path:
    """The control socket of a deployment: a file in its state folder."""
    return state_dir / "run" / "control.ipc"


class ControlSocket:
    """The core's end. Owned by the socket loop."""

    def __init__(self, config: GatewayConfig, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._state_dir = config.state_dir
        self._journaled: tuple[kill_file.LeftStop, ...] = ()
        """The stops that were taken up, as long as a file of theirs cannot be removed."""
        self._stays = ""
        """Why a file of theirs cannot be removed, as it was said last."""
        self._context = zmq.Context()
        self.socket: Any = self._context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.MAXMSGSIZE, REQUEST_BYTES_MAX)
        path = socket_of(config.state_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.socket.bind(f"ipc://{path}")
        path.chmod(OWNER_ONLY)
        kill_file.tidy(self._state_dir, clock.wall_ns())

    def answer(self) -> int:
        """Answers one waiting request; gives its journal number, or 0."""
        try:
            request = self.socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            return 0
        seq, text = self._handle(request)
        self.socket.send(text.encode())
        return seq

    def take_up(self) -> None:
        """Stops that were left while no core answered: each journaled once, then removed."""
        # First aside, then one look: what is removed below was journaled, and what is left meanwhile stays.
        kill_file.set_aside(self._state_dir)
        stops = kill_file.left(self._state_dir)
        # One that was gone in between is another one when it is left again.
        self._journaled = tuple(stop for stop in self._journaled if stop in stops)
        fresh = [stop for stop in stops if stop not in self._journaled]
        for stop in fresh:
            self._journal(stop)
        if stops:
            self._remove()
            self._journaled = tuple(stop for stop in kill_file.left(self._state_dir) if stop in stops)

    def _journal(self, stop: kill_file.LeftStop) -> None:
        of = {"scope": stop.scope, "name": stop.name, "who": stop.who}
        log.warning("control.left_stop", command_level=stop.level, **of)
        command = {"cmd": "kill", "who": stop.who, "level": stop.level, **stop.names}
        if stop.left_ns:
            # Else `stops` would say that it stands since the core is back.
            command["since"] = clock.fix_text(stop.left_ns)
        payload = json.dumps(command, sort_keys=True).encode()
        self._pipeline.submit("operator", "", payload, clock.wall_ns())

    def _remove(self) -> None:
        """Removes what is journaled. Where that fails it is said once, and tried again each time."""
        why = ""
        try:
            kill_file.taken_up(self._state_dir)
        except OSError as error:
            why = str(error)
        if why and why != self._stays:
            # In force here; in the routes until a person has removed the file.
            log.error("control.left_stop_stays", error=why)
        self._stays = why

    def close(self) -> None:
        """Closes at once."""
        self.socket.close(0)
        self._context.term()

    def _handle(self, request: bytes) -> tuple[int, str]:
        try:
            command = json.loads(request)
        except ValueError as error:
            return 0, json.dumps({"error": f"not JSON: {error}"})
        if not isinstance(command, dict) or not isinstance(command.get("cmd"), str):
            return 0, json.dumps({"error": 'a command is an object with a "cmd"'})
        if command["cmd"] == "status":
            return 0, self._pipeline.status()
        # structlog has these two words for itself.
        said = {f"command_{k}" if k in ("event", "level") else k: v for k, v in command.items()}
        log.warning("control.command", **said)
        seq = self._pipeline.submit(
            "operator", "", json.dumps(command, sort_keys=True).encode(), clock.wall_ns()
        )
        return seq, json.dumps({"journal_no": seq})


def ask(config: GatewayConfig, command: dict[str, Any]) -> dict[str, Any]:
    """Sends one command to a running core and gives its answer. Raises as `ask_at`."""
    return ask_at(config.state_dir, command)


def ask_at(state_dir: Path, command: dict[str, Any]) -> dict[str, Any]:
    """The same by state folder: a gateway must be stoppable while its configuration file is being changed.

    Raises `EnvironmentProblem` when no core answers.
    """
    place = socket_of(state_dir)
    if not _is_served(place):
        raise NoCore("no core runs for this deployment", path=str(place), hint=NO_CORE)
    with zmq.Context() as context, context.socket(zmq.REQ) as request:
        request.setsockopt(zmq.LINGER, 0)
        request.connect(f"ipc://{place}")
        request.send_json({"who": getpass.getuser(), **command})
        if not request.poll(ANSWER_MS):
            raise NoCore(
                "the core does not answer", path=str(place), value=f"nothing in {ANSWER_MS} ms", hint=NO_CORE
            )
        answer = request.recv_json()
    return answer if isinstance(answer, dict) else {"answer": answer}


def _is_served(place: Path) -> bool:
    """Whether somebody listens: the file outlives its core, and ZeroMQ would wait for the next one."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(place))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def status(path: Path, as_json: bool = False) -> int:
    """Prints the state of a running deployment."""
    from gateway.control_cli import show_status
    from gateway.control_desk import Desk

    show_status(Desk(path), as_json)
    return int(ExitCode.OK)
