"""A webhook's server on 127.0.0.1 that can be down, slow or unkind, and configurations with sinks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gateway.config import GatewayConfig, load
from tests.unit.config_text import GOOD, write


class Receiver:
    """Takes alerts. `status` is what it answers; `headers` go with it; `hang` holds back the answer."""

    def __init__(self, port: int = 0) -> None:
        self.status = 204
        self.headers: dict[str, str] = {}
        self.hang = threading.Event()
        self.hang.set()
        self.dribble = False
        self.got: list[dict[str, Any]] = []
        self.seen: list[dict[str, str]] = []
        """Headers of each request."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._take(self)

            def log_message(self, *_: Any) -> None:
                """Nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/alerts?key=SECRETPATH"

    def codes(self) -> list[str]:
        """Codes of what was taken, in order."""
        return [alert["code"] for alert in list(self.got)]

    def close(self) -> None:
        """Listens no longer."""
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.seen.append(dict(handler.headers))
        if self.dribble:
            self._dribble(handler)
            return
        self.hang.wait(30)
        if self.status < 300:
            self.got.append(json.loads(body))
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def _dribble(self, handler: BaseHTTPRequestHandler) -> None:
        """A byte of the status line now and then, without end: each one begins urllib's timeout anew."""
        pause = threading.Event()
        try:
            handler.wfile.write(b"HTTP/")
            while self.dribble and not pause.wait(0.05):
                handler.wfile.write(b"x")
        except OSError:
            return


def with_sinks(folder: Path, sinks: str) -> GatewayConfig:
    """The small deployment, and these sections."""
    return load(write(folder, GOOD + sinks))


def script(folder: Path, name: str, lines: Iterable[str]) -> Path:
    """An executable shell script."""
    path = folder / name
    path.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o700)
    return path
