"""Rules about who is told of alerts: commands, addresses, secrets, codes."""

from __future__ import annotations

import re
import shutil
from urllib.parse import urlsplit

from gateway.alert_texts import MEANS, PROCESSES
from gateway.config_alerts import URL_CHARS_MAX, CommandSink, WebhookSink
from gateway.config_read import Draft
from gateway.config_rules_wire import secret_environment, secret_file
from gateway.errors import EnvironmentProblem
from gateway.hints import did_you_mean
from gateway.toml_lines import Key

KNOWN_CODES = MEANS.keys() | PROCESSES.keys()
_URL_TEXT = re.compile(r"[!-~]+\Z", re.ASCII)
_AT_HOME = ("localhost", "::1")


def alerts(draft: Draft) -> None:
    """Every sink can be reached by what the file says, and gets something."""
    if draft.alerts is None:
        return
    for name, sink in draft.alerts.sinks.items():
        path = ("alerts", "sinks", name)
        for key in ("codes", "except_codes"):
            for number, code in enumerate(getattr(sink, key)):
                if code not in KNOWN_CODES:
                    hint = did_you_mean(code, sorted(KNOWN_CODES))
                    draft.report((*path, key, number), "no such alert", value=code, hint=hint)
        if sink.codes and set(sink.codes) <= set(sink.except_codes):
            draft.report((*path, "codes"), "all of them are in except_codes too: nothing would be told")
        if isinstance(sink, CommandSink):
            _command(draft, path, sink)
        else:
            _webhook(draft, path, sink)


def _command(draft: Draft, path: tuple[Key, ...], sink: CommandSink) -> None:
    program = sink.argv[0]
    if shutil.which(str(draft.file.parent / program) if "/" in program else program) is None:
        hint = "Name a program that this user may run; a path is relative to the configuration file."
        draft.report((*path, "argv", 0), "no such program", value=program, hint=hint)


def _webhook(draft: Draft, path: tuple[Key, ...], sink: WebhookSink) -> None:
    for key, file in (("url_file", sink.url_file), ("token_file", sink.token_file)):
        if file is not None:
            secret_file(draft, (*path, key), file, "error")
    for key, variable in (("url_env", sink.url_env), ("token_env", sink.token_env)):
        secret_environment(draft, (*path, key), variable)
    try:
        address = sink.address(draft.file.parent)
    except EnvironmentProblem:
        return  # A variable that is not set here was told; so was a file that is not there.
    _url(draft, path, sink, address)


def url_problem(address: str) -> str | None:
    """What is wrong with a webhook's address, without repeating it: it may be a secret."""
    if len(address) > URL_CHARS_MAX or not _URL_TEXT.match(address):
        return f"not an address: must be 1..{URL_CHARS_MAX} printable ASCII characters without spaces"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "not an address: its host or port cannot be read"
    if parts.scheme not in ("http", "https"):
        return "not an address: must begin with http:// or https://"
    if not parts.hostname or port == 0:
        return "not an address: it names no host, or port 0"
    if "@" in parts.netloc:
        return "the address has a user or password in it"
    return "the address has a #fragment, which is never sent" if parts.fragment else None


def _url(draft: Draft, path: tuple[Key, ...], sink: WebhookSink, address: str) -> None:
    key = "url" if sink.url is not None else "url_file" if sink.url_file is not None else "url_env"
    if (problem := url_problem(address)) is not None:
        hint = "Write https://HOST[:PORT]/PATH; a token has its own key: token_file or token_env."
        draft.report((*path, key), problem, hint=hint)
        return
    parts = urlsplit(address)
    host = parts.hostname or ""
    here = host in _AT_HOME or host.startswith("127.")
    if parts.scheme == "http" and not here and (sink.url is None or sink.token_file or sink.token_env):
        hint = "Use https://, or a proxy on this host."
        draft.report((*path, key), "the secret would travel in the clear", hint=hint, severity="warning")
