"""The section of alerts: what is wrong in it is told at its line, with a way out and without secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config import load
from gateway.config_alerts import CommandSink, WebhookSink
from gateway.errors import EnvironmentProblem
from tests.unit.config_text import GOOD, find, problems_of, write

WEB = 'kind = "webhook"\nurl = "https://example.org/x"\n'
RUN = 'kind = "command"\nargv = ["sh", "-c", "cat"]\n'

# Keys of [alerts.sinks.desk], path of the problem, its words.
MISTAKES = [
    ('kind = "mail"\n', "alerts.sinks.desk.kind", "unknown kind of sink"),
    ('kind = "webhok"\n', "alerts.sinks.desk.kind", "Did you mean 'webhook'?"),
    ("max_per_minute = 6\n", "alerts.sinks.desk.kind", "unknown kind of sink"),
    ('kind = "command"\n', "alerts.sinks.desk.argv", "is missing"),
    ('kind = "command"\nargv = []\n', "alerts.sinks.desk.argv", "too few: must be at least 1 items"),
    ('kind = "command"\nargv = "sh -c x"\n', "alerts.sinks.desk.argv", "must be a list"),
    ('kind = "command"\nargv = ["no-such-program"]\n', "alerts.sinks.desk.argv[0]", "no such program"),
    ('kind = "command"\nargv = ["./gateway.toml"]\n', "alerts.sinks.desk.argv[0]", "may run"),
    ('kind = "webhook"\n', "alerts.sinks.desk", "set one of url, url_file and url_env"),
    (WEB + 'url_env = "X"\n', "alerts.sinks.desk", "set one of url, url_file and url_env"),
    (WEB + 'token = "abc"\n', "alerts.sinks.desk.token", "use token_file or token_env"),
    (WEB + 'tokn_file = "abc"\n', "alerts.sinks.desk.tokn_file", "Did you mean 'token_file'?"),
    (WEB + 'token_file = "a"\ntoken_env = "B"\n', "alerts.sinks.desk", "not both"),
    (WEB + 'token_file = "missing"\n', "alerts.sinks.desk.token_file", "the file does not exist"),
    (WEB + 'token_env = "NOT_SET_AT_ALL"\n', "alerts.sinks.desk.token_env", "the variable is not set here"),
    ('kind = "webhook"\nurl_file = "missing"\n', "alerts.sinks.desk.url_file", "the file does not exist"),
    (WEB + "max_per_minute = 0\n", "alerts.sinks.desk.max_per_minute", ">= 1"),
    (WEB + "timeout_ms = 5\n", "alerts.sinks.desk.timeout_ms", ">= 100"),
    (WEB + 'least_level = "info"\n', "alerts.sinks.desk.least_level", "'warning', 'error' or 'critical'"),
    (WEB + 'codes = ["close_rejcted"]\n', "alerts.sinks.desk.codes[0]", "Did you mean 'close_rejected'?"),
    (WEB + 'except_codes = ["run.endd"]\n', "alerts.sinks.desk.except_codes[0]", "Did you mean 'run.ended'?"),
    (WEB + 'codes = ["kill"]\nexcept_codes = ["kill"]\n', "alerts.sinks.desk.codes", "nothing would be told"),
]
BAD_URLS = [
    ("example.org/SECRET", "must begin with http:// or https://"),
    ("ftp://example.org/SECRET", "must begin with http:// or https://"),
    ("https:///SECRET", "names no host"),
    ("https://example.org:0/SECRET", "names no host, or port 0"),
    ("https://example.org:99999/SECRET", "host or port cannot be read"),
    ("https://[::1/SECRET", "host or port cannot be read"),
    ("https://me:SECRET@example.org/", "user or password"),
    ("https://example.org/SECRET#x", "#fragment"),
    ("https://example.org/SECRET x", "without spaces"),
    ("https://example.org/" + "SECRET" * 400, "1..2000"),
]


@pytest.mark.parametrize(("keys", "path", "words"), MISTAKES)
def test_a_mistake_is_told_at_its_place(tmp_path: Path, keys: str, path: str, words: str) -> None:
    """Every one at its own line, the first time that the file is read."""
    text = GOOD + f"[alerts.sinks.desk]\n{keys}"
    problem = find(problems_of(tmp_path, text), path, words)
    assert problem.line >= text.splitlines().index("[alerts.sinks.desk]") + 1


@pytest.mark.parametrize(("url", "words"), BAD_URLS)
def test_an_address_that_cannot_be_is_told_and_not_repeated(tmp_path: Path, url: str, words: str) -> None:
    """Many addresses are secrets, and a message ends up in a log."""
    text = GOOD + f'[alerts.sinks.desk]\nkind = "webhook"\nurl = "{url}"\n'
    problem = find(problems_of(tmp_path, text), "alerts.sinks.desk.url", words)
    assert problem.severity == "error"
    assert "SECRET" not in problem.text()


def test_an_address_in_a_file_is_looked_at_as_well(tmp_path: Path) -> None:
    """By `check`, not by the first alert."""
    (tmp_path / "url").write_text("hooks.example.org/SECRET")
    (tmp_path / "url").chmod(0o600)
    text = GOOD + '[alerts.sinks.desk]\nkind = "webhook"\nurl_file = "url"\n'
    problem = find(problems_of(tmp_path, text), "alerts.sinks.desk.url_file", "must begin with http")
    assert "SECRET" not in problem.text()


@pytest.mark.parametrize(
    ("url", "warned"),
    [("http://example.org/x", True), ("http://127.0.0.1:1/x", False), ("https://example.org/x", False)],
)
def test_a_secret_in_the_clear_is_a_warning(tmp_path: Path, url: str, warned: bool) -> None:
    """A token over plain http:// to another host."""
    (tmp_path / "token").write_text("T")
    (tmp_path / "token").chmod(0o600)
    text = GOOD + f'[alerts.sinks.desk]\nkind = "webhook"\nurl = "{url}"\ntoken_file = "token"\n'
    found = [problem.message for problem in problems_of(tmp_path, text) if "alerts" in problem.path]
    assert found == (["the secret would travel in the clear"] if warned else [])


def test_a_secret_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    """As with the passwords of sessions."""
    (tmp_path / "token").write_text("T")
    (tmp_path / "token").chmod(0o644)
    text = GOOD + f'[alerts.sinks.desk]\n{WEB}token_file = "token"\n'
    assert find(problems_of(tmp_path, text), "alerts.sinks.desk.token_file").severity == "warning"


def test_a_secret_that_we_cannot_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first alert finds it out. (Who runs the tests may be somebody who can read everything.)"""
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != "token")
    (tmp_path / "token").write_text("T")
    text = GOOD + f'[alerts.sinks.desk]\n{WEB}token_file = "token"\n'
    assert find(problems_of(tmp_path, text), "alerts.sinks.desk.token_file", "cannot be read")


def test_good_sinks_load_and_none_are_needed(tmp_path: Path) -> None:
    """The log alone is the default; both kinds stand side by side."""
    assert load(write(tmp_path)).alerts.sinks == {}
    sinks = load(write(tmp_path, GOOD + f"[alerts.sinks.a]\n{WEB}[alerts.sinks.b]\n{RUN}")).alerts.sinks
    assert [type(sink) for sink in sinks.values()] == [WebhookSink, CommandSink]
    assert sinks["a"].max_per_minute == 6


def test_a_variable_that_is_not_set_is_told_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check` may run where the variable is not set; the attempt says which one it is."""
    monkeypatch.delenv("DESK_URL", raising=False)
    text = GOOD + '[alerts.sinks.a]\nkind = "webhook"\nurl_env = "DESK_URL"\n'
    sink = load(write(tmp_path, text)).alerts.sinks["a"]
    assert isinstance(sink, WebhookSink)
    with pytest.raises(EnvironmentProblem, match="DESK_URL"):
        sink.address(tmp_path)
