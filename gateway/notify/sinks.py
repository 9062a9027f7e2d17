"""How an alert gets out: a command with JSON on its standard input, or an HTTP POST of it.

`tell` never raises, and ends within the sink's timeout and the time to look up a name. What it answers holds
no secret: no address beyond its host, no header, and what a command printed only for the person who tries it.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from gateway import __version__
from gateway.config import GatewayConfig
from gateway.config_alerts import CommandSink, WebhookSink
from gateway.config_rules_alerts import url_problem
from gateway.errors import EnvironmentProblem

SAID_CHARS_MAX = 300
PAUSE_S_MAX = 300
"""A server that asks for a longer pause is asked again anyway."""
POLL_S = 0.02
REFUSED = (400, 413, 422)
"""The server does not want this alert; the next one may be welcome."""
OK_MIN, OK_MAX = 200, 299
_REDIRECT_MIN, _REDIRECT_MAX = 300, 399
C = TypeVar("C", bound=http.client.HTTPConnection)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one attempt."""

    ok: bool
    said: str
    """In words, for the log: without secrets."""
    refused: bool = False
    """The alert itself is not wanted; the sink works."""
    pause_s: int | None = None
    """How long the sink asks to be left alone."""
    printed: str = ""
    """The beginning of what a command wrote to standard error: for who tries it, never for the log."""


class Telling(Protocol):
    """A sink at work."""

    where: str
    """For people: the host, or the program."""

    def tell(self, body: bytes) -> Answer:
        """One attempt."""
        ...


class Command:
    """Runs a program for each alert."""

    def __init__(self, sink: CommandSink, folder: Path, hide: frozenset[str]) -> None:
        program, *rest = sink.argv
        self._argv = [str(folder / program) if "/" in program else program, *rest]
        self._folder = folder
        self._hide = hide
        self._timeout_s = sink.timeout_ms / 1000
        self.where = program

    def tell(self, body: bytes) -> Answer:
        """Exit code 0 within the timeout; else the program is killed, with all that it started."""
        environment = {name: value for name, value in os.environ.items() if name not in self._hide}
        try:
            process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return Answer(False, f"cannot be run: {error.strerror}")
        assert process.stdin is not None
        assert process.stderr is not None
        with process.stdin as into, process.stderr as out:
            os.set_blocking(out.fileno(), False)
            os.set_blocking(into.fileno(), False)
            try:
                # An alert is far smaller than a pipe: it fits, whether anybody reads it or not.
                os.write(into.fileno(), body)
                into.close()
            except BrokenPipeError:
                pass
            code, printed = self._wait(process, out)
        said = f"nothing in {self._timeout_s:g} s" if code is None else f"exit code {code}"
        return Answer(code == 0, said, printed=printed)

    def _wait(self, process: subprocess.Popen[bytes], out: Any) -> tuple[int | None, str]:
        deadline_s = time.monotonic() + self._timeout_s
        printed = b""
        while True:
            # Read as it comes: a program that prints much must not wait for us.
            code = process.poll()
            while piece := _read(out.fileno()):
                printed += piece[: SAID_CHARS_MAX - len(printed)]
            if code is not None:
                return code, printed.decode("utf-8", "replace").strip()
            if time.monotonic() >= deadline_s:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return None, printed.decode("utf-8", "replace").strip()
            time.sleep(POLL_S)


class Webhook:
    """Posts each alert to an address. Redirects are not followed: the token is for one host."""

    def __init__(self, sink: WebhookSink, folder: Path) -> None:
        self._sink = sink
        self._folder = folder
        self._timeout_s = sink.timeout_ms / 1000
        self.where = _host_of(sink.url) if sink.url is not None else "an address that is a secret"

    def tell(self, body: bytes) -> Answer:
        """Status 2xx within the timeout."""
        try:
            address, token = self._sink.address(self._folder), self._sink.token(self._folder)
        except EnvironmentProblem as error:
            return Answer(False, error.text())
        if (problem := url_problem(address)) is not None:
            return Answer(False, problem)
        if token is not None and not (token.isascii() and token.isprintable()):
            return Answer(False, "the token is not one line of printable ASCII characters")
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="POST")
        request.add_header("User-Agent", f"copygate/{__version__}")
        if token is not None:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        return _Attempt(self._timeout_s).make(request)


class _Attempt:
    """One request that ends in time, whatever the server does: urllib's timeout is for each byte."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._sockets: list[socket.socket] = []
        self._late = False

    def make(self, request: urllib.request.Request) -> Answer:
        opener = urllib.request.build_opener(_NoRedirect(), _Plain(self), _Secure(self))
        watch = threading.Timer(self._timeout_s, self._end)
        watch.daemon = True
        watch.start()
        try:
            with opener.open(request, timeout=self._timeout_s) as response:
                return _judged(response.status, response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return _judged(error.code, error.headers)
        except urllib.error.URLError as error:
            return Answer(False, self._why(error.reason))
        except Exception as error:  # noqa: BLE001 (a library's error may quote the address, so only its name is told)
            return Answer(False, self._why(error if isinstance(error, OSError) else type(error).__name__))
        finally:
            watch.cancel()

    def watched(self, kind: type[C]) -> type[C]:
        """The same kind of connection, whose socket is shut when the time is over."""
        attempt = self

        class Connection(kind):  # type: ignore[misc, valid-type]
            def __setattr__(self, name: str, value: Any) -> None:
                super().__setattr__(name, value)
                if name == "sock" and value is not None:
                    # At once, before a TLS handshake: that may hang as well.
                    attempt._sockets.append(value)
                    if attempt._late:
                        attempt._end()

        return Connection

    def _end(self) -> None:
        self._late = True
        for one in self._sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _why(self, reason: object) -> str:
        if self._late or isinstance(reason, TimeoutError):
            return f"nothing in {self._timeout_s:g} s"
        if isinstance(reason, ssl.SSLCertVerificationError):
            return f"its certificate is not good: {reason.verify_message}"
        text = reason.strerror or type(reason).__name__ if isinstance(reason, OSError) else str(reason)
        return f"no answer: {text}"[:SAID_CHARS_MAX]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, attempt: _Attempt) -> None:
        super().__init__()
        self._attempt = attempt

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._attempt.watched(http.client.HTTPConnection), req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, attempt: _Attempt) -> None:
        self._checked = ssl.create_default_context()
        super().__init__(context=self._checked)
        self._attempt = attempt

    def https_open(self, req: urllib.request.Request) -> Any:
        kind: Any = self._attempt.watched(http.client.HTTPSConnection)
        return self.do_open(kind, req, context=self._checked)


def sink_of(config: GatewayConfig, name: str) -> Telling:
    """The sink of a name, ready to tell."""
    sink = config.alerts.sinks[name]
    if isinstance(sink, CommandSink):
        return Command(sink, config.folder, secret_variables(config))
    return Webhook(sink, config.folder)


def secret_variables(config: GatewayConfig) -> frozenset[str]:
    """Environment variables that hold secrets of this deployment: a command does not get them."""
    sinks = config.alerts.sinks.values()
    names = {session.password_env for session in config.sessions.values()}
    for sink in sinks:
        if isinstance(sink, WebhookSink):
            names |= {sink.url_env, sink.token_env}
    return frozenset(name for name in names if name is not None)


def _judged(status: int, headers: Any) -> Answer:
    said = f"HTTP {status}"
    if OK_MIN <= status <= OK_MAX:
        return Answer(True, said)
    if _REDIRECT_MIN <= status <= _REDIRECT_MAX:
        return Answer(False, f"{said}: it leads elsewhere, and is not followed; name the address itself")
    pause = str(headers.get("Retry-After", ""))
    pause_s = min(int(pause), PAUSE_S_MAX) if pause.isascii() and pause.isdigit() else None
    return Answer(False, said, refused=status in REFUSED, pause_s=pause_s)


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{parts.hostname}{port}"


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65_536)
    except BlockingIOError:
        return b""
