"""Alerts of the configuration: who is told, of what, and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from gateway.config_sections import secret
from gateway.config_types import FilePath, Listed, Model, Name
from gateway.errors import EnvironmentProblem

SINKS_MAX = 16
"""Each is a thread that waits for its answer."""
CODES_MAX = 200
"""More codes than there are."""
ARGUMENTS_MAX = 64
"""Of a command: more belong into a script."""
URL_CHARS_MAX = 2_000
"""What servers and proxies take."""

Level = Literal["warning", "error", "critical"]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}(\.[a-z_]{1,40})?$")]
"""The code of an alert of the core, or the event of a process."""
Argument = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
_ENVIRONMENT = r"^[A-Za-z_][A-Za-z0-9_]*$"


class Sink(Model):
    """What every sink has: which alerts it gets, how many, and how long it may take."""

    least_level: Level = "warning"
    """Least severe level that is sent. All alerts of the core itself are warnings."""
    codes: Listed[Code] = Field(default=(), max_length=CODES_MAX)
    """Only these codes. Empty: all."""
    except_codes: Listed[Code] = Field(default=(), max_length=CODES_MAX)
    """All but these codes."""
    max_per_minute: int = Field(default=6, ge=1, le=600)
    """So many alerts of one code in a minute; the rest are counted, and told as one when it is over."""
    timeout_ms: int = Field(default=5_000, ge=100, le=60_000)
    """An attempt that took this long has failed, and is made again later. Milliseconds."""


class CommandSink(Sink):
    """A command that is run for each alert, with the alert as JSON on its standard input."""

    kind: Literal["command"]
    """A command of this machine."""
    argv: Listed[Argument] = Field(min_length=1, max_length=ARGUMENTS_MAX)
    """Program and arguments; no shell reads them. A program with a `/` is relative to this file, one without
    is looked for in PATH. Exit code 0: it has told."""


class WebhookSink(Sink):
    """An address that each alert is posted to, as JSON."""

    kind: Literal["webhook"]
    """HTTP POST. Any status 2xx: it has told."""
    url: str | None = None
    """Address, http:// or https://. One that is a secret stands in url_file or url_env instead."""
    url_file: FilePath | None = None
    """File that holds the address, readable by its owner only. Relative to this file."""
    url_env: str | None = Field(default=None, pattern=_ENVIRONMENT, max_length=64)
    """Environment variable that holds the address."""
    token_file: FilePath | None = None
    """File that holds a bearer token for the header Authorization, readable by its owner only. Relative to
    this file."""
    token_env: str | None = Field(default=None, pattern=_ENVIRONMENT, max_length=64)
    """Environment variable that holds the bearer token."""

    @model_validator(mode="after")
    def _one_of_each(self) -> WebhookSink:
        if sum(place is not None for place in (self.url, self.url_file, self.url_env)) != 1:
            raise PydanticCustomError("both", "set one of url, url_file and url_env")
        if self.token_file is not None and self.token_env is not None:
            raise PydanticCustomError("both", "set one of token_file and token_env, not both")
        return self

    def address(self, folder: Path) -> str:
        """Where to post to; `folder` is where the TOML lies. Raises `EnvironmentProblem` as `secret` does."""
        if self.url is not None:
            return self.url
        found = secret(folder, self.url_file, self.url_env, "url_env")
        if found is None:
            raise EnvironmentProblem("the webhook has no address")
        return found

    def token(self, folder: Path) -> str | None:
        """The bearer token. Raises `EnvironmentProblem` when its file or variable cannot be read."""
        return secret(folder, self.token_file, self.token_env, "token_env")


class AlertsSection(Model):
    """Who is told of alerts, beside the log: it always is."""

    sinks: dict[Name, Annotated[CommandSink | WebhookSink, Field(discriminator="kind")]] = Field(
        default_factory=dict, max_length=SINKS_MAX
    )
    """Commands and webhooks by name. Empty: the log alone."""
