"""Commands and webhooks: what they get, what an attempt answers, that it ends, that secrets stay in."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.clock import wait_until
from gateway.notify.cli import app
from gateway.notify.sinks import Answer, sink_of
from tests.unit.notify_rig import Receiver, script, with_sinks

BODY = b'{"text": "x"}\n'
QUICK = "timeout_ms = 300\n"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of these tests is on this machine, whatever the machine's proxy is."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook's server."""
    server = Receiver()
    yield server
    server.close()


def tell(folder: Path, keys: str) -> Answer:
    """One attempt at a sink with these keys."""
    return sink_of(with_sinks(folder, f"[alerts.sinks.desk]\n{keys}"), "desk").tell(BODY)


def webhook(address: str, more: str = "") -> str:
    """Keys of a webhook."""
    return f'kind = "webhook"\nurl = "{address}"\n{more}'


def command(*argv: object, more: str = "") -> str:
    """Keys of a command."""
    return f'kind = "command"\nargv = {json.dumps([str(word) for word in argv])}\n{more}'


def test_a_webhook_gets_the_json_and_the_token(tmp_path: Path, receiver: Receiver) -> None:
    """POST, JSON, a bearer token from a file."""
    (tmp_path / "token").write_text("T0KEN\n")
    (tmp_path / "token").chmod(0o600)
    assert tell(tmp_path, webhook(receiver.url, 'token_file = "token"\n')) == Answer(True, "HTTP 204")
    assert receiver.got == [{"text": "x"}]
    assert receiver.seen[0]["Authorization"] == "Bearer T0KEN"
    assert receiver.seen[0]["Content-Type"] == "application/json"


def test_an_address_that_is_a_secret_comes_from_a_file_or_a_variable(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many services put their secret into the path."""
    monkeypatch.setenv("DESK_URL", receiver.url)
    assert tell(tmp_path, 'kind = "webhook"\nurl_env = "DESK_URL"\n').ok
    (tmp_path / "url").write_text(receiver.url)
    (tmp_path / "url").chmod(0o600)
    assert tell(tmp_path, 'kind = "webhook"\nurl_file = "url"\n').ok
    assert len(receiver.got) == 2


@pytest.mark.parametrize(
    ("status", "headers", "answer"),
    [
        (200, {}, Answer(True, "HTTP 200")),
        (400, {}, Answer(False, "HTTP 400", refused=True)),
        (404, {}, Answer(False, "HTTP 404")),
        (503, {"Retry-After": "7"}, Answer(False, "HTTP 503", pause_s=7)),
        (429, {"Retry-After": "99999999"}, Answer(False, "HTTP 429", pause_s=300)),
        (429, {"Retry-After": "Thu, 26 Nov 2026 10:00:00 GMT"}, Answer(False, "HTTP 429")),
    ],
)
def test_what_a_server_answers(
    tmp_path: Path, receiver: Receiver, status: int, headers: dict[str, str], answer: Answer
) -> None:
    """2xx has told; some say that the alert is not wanted, some for how long to wait."""
    receiver.status, receiver.headers = status, headers
    assert tell(tmp_path, webhook(receiver.url)) == answer


def test_a_redirect_is_not_followed(tmp_path: Path, receiver: Receiver) -> None:
    """The token is for the host that the file names."""
    other = Receiver()
    receiver.status, receiver.headers = 307, {"Location": other.url}
    answer = tell(tmp_path, webhook(receiver.url))
    other.close()
    assert (answer.ok, answer.said.startswith("HTTP 307: it leads elsewhere")) == (False, True)
    assert other.seen == []


@pytest.mark.parametrize("dribble", [False, True])
def test_a_server_that_hangs_ends_in_time(tmp_path: Path, receiver: Receiver, dribble: bool) -> None:
    """Also one that sends a byte now and then, for which urllib's own timeout never comes."""
    receiver.hang.clear()
    receiver.dribble = dribble
    began_s = time.monotonic()
    answer = tell(tmp_path, webhook(receiver.url, QUICK))
    took_s = time.monotonic() - began_s
    receiver.dribble = False
    assert answer == Answer(False, "nothing in 0.3 s")
    assert took_s < 2


def test_nobody_listens(tmp_path: Path) -> None:
    """The system's own words, without the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert tell(tmp_path, webhook(f"http://127.0.0.1:{port}/SECRETPATH")) == Answer(
        False, "no answer: Connection refused"
    )


@pytest.mark.parametrize("token", ["two\nlines", "é", "tab\there"])
def test_a_token_that_no_header_can_hold_is_not_quoted(
    tmp_path: Path, receiver: Receiver, token: str
) -> None:
    """The library's own error would have it in its text."""
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o600)
    answer = tell(tmp_path, webhook(receiver.url, 'token_file = "token"\n'))
    assert not answer.ok
    assert token not in answer.said
    assert receiver.seen == []


def test_a_command_gets_the_json_on_its_standard_input(tmp_path: Path) -> None:
    """Exit code 0 has told; relative to the file; no shell reads its arguments."""
    script(tmp_path, "notify", ['cat > got.json; echo "$1" > argument'])
    assert tell(tmp_path, command("./notify", "$HOME; x")) == Answer(True, "exit code 0")
    assert (tmp_path / "got.json").read_bytes() == BODY
    assert (tmp_path / "argument").read_text() == "$HOME; x\n"


def test_a_command_that_fails_says_why_to_who_tries_it(tmp_path: Path) -> None:
    """Its own words are printed by the test, and are not in what the log gets."""
    script(tmp_path, "notify", ["echo 'no such room' >&2; exit 3"])
    answer = tell(tmp_path, command("./notify"))
    assert (answer.ok, answer.said, answer.printed) == (False, "exit code 3", "no such room")


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """After the timeout nothing of it is left."""
    script(tmp_path, "notify", ["sleep 600 & echo $! > child; echo $$ > self; wait"])
    began_s = time.monotonic()
    answer = tell(tmp_path, command("./notify", more=QUICK))
    assert answer == Answer(False, "nothing in 0.3 s")
    assert time.monotonic() - began_s < 3
    for name in ("self", "child"):
        pid = int((tmp_path / name).read_text())
        assert wait_until(lambda pid=pid: not _lives(pid), 5_000), name  # type: ignore[misc]


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_command_that_prints_without_end_or_reads_nothing_does_not_wait_for_us(tmp_path: Path) -> None:
    """What it prints is thrown away but for its beginning."""
    script(tmp_path, "notify", ["head -c 3000000 /dev/zero | tr '\\0' x >&2", "exec 0<&-", "exit 0"])
    answer = tell(tmp_path, command("./notify"))
    assert (answer.ok, answer.printed) == (True, "x" * 300)


def test_a_command_that_leaves_something_running_has_told(tmp_path: Path) -> None:
    """A background process that keeps standard error open is not waited for."""
    script(tmp_path, "notify", ["sleep 20 & echo $! > child", "exit 0"])
    began_s = time.monotonic()
    assert tell(tmp_path, command("./notify")).ok
    assert time.monotonic() - began_s < 3
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_a_command_does_not_get_the_secrets_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds a password or a token for us is not for whoever wrote the script."""
    monkeypatch.setenv("DESK_TOKEN", "T0KEN")
    monkeypatch.setenv("PLAIN", "yes")
    script(tmp_path, "notify", ["env > environment"])
    other = '[alerts.sinks.web]\nkind = "webhook"\nurl = "http://127.0.0.1:1/"\ntoken_env = "DESK_TOKEN"\n'
    assert tell(tmp_path, command("./notify") + other).ok
    seen = (tmp_path / "environment").read_text()
    assert "PLAIN=yes" in seen
    assert "T0KEN" not in seen


def test_the_command_line_tries_every_sink(tmp_path: Path, receiver: Receiver) -> None:
    """Each one's answer, and code 1 when one did not take it; no secret is printed."""
    script(tmp_path, "notify", ["exit 4"])
    (tmp_path / "token").write_text("T0KEN")
    (tmp_path / "token").chmod(0o600)
    sinks = webhook(receiver.url, 'token_file = "token"\ncodes = ["kill"]\n')
    with_sinks(tmp_path, f"[alerts.sinks.web]\n{sinks}[alerts.sinks.page]\n{command('./notify')}")
    done = CliRunner().invoke(app, ["test", str(tmp_path / "gateway.toml")])
    assert done.exit_code == 1, done.output
    assert "HTTP 204" in done.output
    assert "exit code 4" in done.output
    assert "SECRETPATH" not in done.output
    assert receiver.codes() == ["alerts.test"]
    assert receiver.got[0]["deployment"] == "t"
    one = CliRunner().invoke(app, ["test", str(tmp_path / "gateway.toml"), "--sink", "web", "--json"])
    assert one.exit_code == 0
    said = json.loads(one.stdout)
    assert (said["ok"], [sink["sink"] for sink in said["sinks"]]) == (True, ["web"])


@pytest.mark.parametrize(
    ("arguments", "sinks", "words"),
    [([], "", "nobody is told"), (["--sink", "wbe"], "x", "Did you mean 'web'?")],
)
def test_the_command_line_says_what_it_cannot_try(
    tmp_path: Path, arguments: list[str], sinks: str, words: str
) -> None:
    """No sinks, or another name: wrong usage."""
    with_sinks(tmp_path, f"[alerts.sinks.web]\n{webhook('http://127.0.0.1:1')}" if sinks else "")
    done = CliRunner().invoke(app, ["test", str(tmp_path / "gateway.toml"), *arguments])
    assert done.exit_code == 2
    assert words in done.output
