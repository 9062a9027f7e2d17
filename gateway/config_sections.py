"""The sections of the configuration file about this installation: processes, sessions, sockets."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config_types import FilePath, FixText, Model, Name, NotNegative, decimal_text
from gateway.errors import EnvironmentProblem

BeginString = Literal["FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"]
SECRET_BYTES_MAX = 4096
"""A password file longer than this is some other file."""
RETIRE_AFTER_MIN_S = 60
"""What a broker says within this time is about an order that is kept."""


class GatewaySection(Model):
    """The deployment as a whole."""

    deployment: Name
    """Name of the deployment. Part of every ClOrdID, so two deployments at one broker need two names."""
    state_dir: FilePath = Path("state")
    """Folder of journals, FIX stores, audit files and sockets. Relative to this file."""
    durability: Literal["process", "power"] = "process"
    """What a journaled event survives: `process` kill -9, `power` also loss of power (slower)."""
    dispatch: Literal["rotate", "listed"] = "rotate"
    """Order in which followers are served. `rotate`: of each leader's opens, closes and flips by themselves,
    everybody has every place once in as many as there are followers."""
    profiles_dir: FilePath | None = None
    """Folder of your own venue profiles (NAME.toml), before those that ship. Relative to this file."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged."""


class TimingSection(Model):
    """Timeouts of the delivery rules, milliseconds."""

    dispatch_timeout_ms: int = Field(default=2_000, ge=100, le=60_000)
    """An order whose route says neither sent nor not sent is asked about after this. Milliseconds."""
    ack_timeout_ms: int = Field(default=5_000, ge=100, le=300_000)
    """An order that went out without any report is unknown after this. Milliseconds."""
    settle_ms: int = Field(default=3_000, ge=0, le=300_000)
    """A broker's "not known" counts only this long after the order could have been sent. Milliseconds."""
    query_retry_ms: int = Field(default=5_000, ge=100, le=300_000)
    """An unanswered query is asked again after this. Milliseconds."""
    close_retry_ms: int = Field(default=500, ge=10, le=60_000)
    """First pause before a rejected close is sent again; doubles each time. Milliseconds."""
    close_retry_max_ms: int = Field(default=30_000, ge=10, le=600_000)
    """Longest pause before a rejected close is sent again. At least close_retry_ms. Milliseconds."""

    @model_validator(mode="after")
    def _ordered(self) -> TimingSection:
        if self.close_retry_max_ms < self.close_retry_ms:
            raise PydanticCustomError("order", "close_retry_max_ms must not be below close_retry_ms")
        return self


class FaultsSection(Model):
    """Faults that stop a follower's opens by themselves. Closes go on; a person releases it (`ctl arm`)."""

    reject_burst: int = Field(default=20, ge=0, le=100_000)
    """So many opens of one follower rejected by its broker within reject_window_ms. 0 = never."""
    reject_window_ms: int = Field(default=60_000, ge=1_000, le=86_400_000)
    """The window. Milliseconds."""
    repeated_copies: int = Field(default=0, ge=0, le=1_000_000)
    """So many copies of one subscription and instrument in repeated_window_ms stop its opens. 0 = never."""
    repeated_window_ms: int = Field(default=60_000, ge=1_000, le=86_400_000)
    """The window. Milliseconds."""
    self_match: Literal["off", "alert", "wait"] = "alert"
    """Two subscriptions of one account have opposite sides of one instrument at work at the same time:
    nothing (`off`), a person is told (`alert`), or the later open waits in its window as well (`wait`)."""
    lookalike_window_ms: int = Field(default=0, ge=0, le=60_000)
    """Two opens of one subscription, instrument, side and quantity by different trades within this are told
    (`look_alike`), never refused. 0 = never. Milliseconds."""


class SwitchSection(Model):
    """When new orders of a route go by its reserve, and when they come back. Any one of these is enough."""

    down_ms: int = Field(default=5_000, ge=0, le=3_600_000)
    """The route is not linked, or its session not logged on, for this long. Milliseconds."""
    ack_ms: int = Field(default=0, ge=0, le=300_000)
    """An order that left has no answer for this long. Below timing.ack_timeout_ms; 0 = does not count.
    Milliseconds."""
    queue: int = Field(default=0, ge=0, le=1_000_000)
    """So many orders wait in the route's process. 0 = does not count. Orders."""
    rejects: int = Field(default=0, ge=0, le=1_000_000)
    """So many opens were rejected by its broker within window_ms. 0 = does not count."""
    window_ms: int = Field(default=60_000, ge=1_000, le=86_400_000)
    """The window. Milliseconds."""
    back_ms: int = Field(default=60_000, ge=0, le=86_400_000)
    """Back to the route when nothing is wrong with it for this long. 0 = by hand only. Milliseconds."""


class ReconcileSection(Model):
    """Comparing what followers' brokers hold with what our own orders filled."""

    every_s: int = Field(default=300, ge=0, le=86_400)
    """Pause between two questions for one follower's positions, seconds; also after each logon. 0 = never."""
    tolerance_lots: NotNegative = Decimal(0)
    """Lots by which both may differ without a word."""

    def core(self) -> dict[str, Any]:
        """As the core reads it."""
        return {"every_ms": self.every_s * 1_000, "tolerance_lots": decimal_text(self.tolerance_lots)}


class CoreSection(Model):
    """The core process: its sockets, its patience."""

    bind: str = Field(default="ipc", pattern=r"^(ipc|tcp://(\*|[A-Za-z0-9_.:\[\]-]+):[0-9]{1,5})$")
    """Where routes connect: `ipc` (state_dir/run, one host) or `tcp://ADDRESS:PORT` (needs keys)."""
    connect: str | None = Field(default=None, pattern=r"^tcp://[A-Za-z0-9_.:\[\]-]+:[0-9]{1,5}$")
    """Address that routes on other hosts use, when it differs from `bind` (tcp://*:PORT needs it)."""
    observers: str = Field(default="off", pattern=r"^(off|ipc|tcp://(\*|[A-Za-z0-9_.:\[\]-]+):[0-9]{1,5})$")
    """Read-only stream of decisions as JSON (ZeroMQ PUB): `off`, `ipc` or `tcp://ADDRESS:PORT`."""
    public_key_file: FilePath | None = None
    """CURVE public key of the core, made by `copygate keys`. Needed with tcp://. Relative to this file."""
    secret_key_file: FilePath | None = None
    """CURVE secret key of the core, readable by its owner only. Needed with tcp://. Relative to this file."""
    journal_stall_ms: int = Field(default=2_000, ge=0, le=60_000)
    """How long a failing journal is tried again before the process stops with code 70. Milliseconds."""
    beat_ms: int = Field(default=500, ge=50, le=10_000)
    """Pause between heartbeats of core and routes, both ways. Milliseconds."""
    orphan_ms: int = Field(default=5_000, ge=500, le=120_000)
    """A route that has not heard the core for this long sends nothing. At least 3 beats. Milliseconds."""
    queue_frames_max: int = Field(default=10_000, ge=100, le=1_000_000)
    """Bound of each socket's queue, frames. A full queue is a report, never a wait."""
    snapshot_rows: int = Field(default=100_000, ge=1_000, le=100_000_000)
    """A snapshot is taken after this many journal rows, which bounds the time of a restart. The core stands
    meanwhile: about 5 ms for every 1,000 orders that it keeps."""
    retire_after_s: int = Field(default=345_600, ge=0, le=31_536_000)
    """An order that ended this long ago is not kept any more, seconds; 0 = all are kept. A fill or bust that
    its broker reports later still is not counted: it is told (`retired_order`). Four days span a weekend."""

    @model_validator(mode="after")
    def _consistent(self) -> CoreSection:
        if self.orphan_ms < 3 * self.beat_ms:
            raise PydanticCustomError("order", "orphan_ms must be at least 3 x beat_ms")
        if 0 < self.retire_after_s < RETIRE_AFTER_MIN_S:
            raise PydanticCustomError("order", "retire_after_s must be 0 (never), or at least 60")
        return self

    @property
    def uses_tcp(self) -> bool:
        """Whether routes may come from other hosts, which needs CURVE keys."""
        return self.bind.startswith("tcp://")


class SessionConfig(Model):
    """One FIX session, on the leader's or on a follower's side."""

    role: Literal["initiator", "acceptor"]
    """`initiator` connects to the counterparty, `acceptor` waits for it."""
    begin_string: BeginString
    """BeginString(8). FIX 5.0 and later is FIXT.1.1; the profile then names ApplVerID(1128)."""
    sender_comp_id: FixText
    """SenderCompID(49) of our messages."""
    target_comp_id: FixText
    """TargetCompID(56) of our messages: the counterparty."""
    sender_sub_id: FixText | None = None
    """SenderSubID(50) of our messages, where the counterparty asks for one."""
    target_sub_id: FixText | None = None
    """TargetSubID(57) of our messages, where the counterparty asks for one."""
    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_.:-]+$")
    """Host to connect to (initiator). An acceptor with 127.0.0.1 lets in peers of this host only."""
    port: int = Field(ge=1, le=65_535)
    """TCP port, 1..65535."""
    profile: Name
    """Venue profile: a file in fix_specs/profiles or in gateway.profiles_dir, without `.toml`."""
    heartbeat_s: int = Field(default=10, ge=1, le=60)
    """HeartBtInt(108), seconds. A dead counterparty is noticed after about 2.4 times this."""
    reconnect_s: int = Field(default=2, ge=1, le=300)
    """Pause between attempts of an initiator to connect, seconds."""
    logon_timeout_s: int = Field(default=10, ge=1, le=120)
    """An unanswered Logon is given up after this, seconds."""
    reset: Literal["never", "on_logon", "on_logout", "on_disconnect"] = "never"
    """When sequence numbers go back to 1. Anything but `never` gives up resend of missed reports."""
    start_time: str | None = Field(default=None, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$")
    """Daily start of the session, HH:MM:SS UTC. Together with end_time; without both it never ends."""
    end_time: str | None = Field(default=None, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$")
    """Daily end of the session, HH:MM:SS UTC."""
    max_unacked: int = Field(default=1_000, ge=1, le=100_000)
    """Bound of orders stored but without any report on this session, orders."""
    username: FixText | None = None
    """Username(553) of the Logon."""
    password_file: FilePath | None = None
    """File that holds Password(554), readable by its owner only. Relative to this file."""
    password_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)
    """Environment variable that holds Password(554)."""

    @model_validator(mode="after")
    def _consistent(self) -> SessionConfig:
        if self.password_file is not None and self.password_env is not None:
            raise PydanticCustomError("both", "set one of password_file and password_env, not both")
        if (self.start_time is None) != (self.end_time is None):
            raise PydanticCustomError("both", "start_time and end_time belong together: set both or neither")
        if self.sender_comp_id == self.target_comp_id:
            raise PydanticCustomError("comp_ids", "sender_comp_id and target_comp_id are the same")
        return self

    @property
    def identity(self) -> tuple[str, str, str]:
        """What a FIX engine knows a session by: BeginString, SenderCompID, TargetCompID."""
        return (self.begin_string, self.sender_comp_id, self.target_comp_id)

    def password(self, folder: Path) -> str | None:
        """The secret from its file or environment variable; `folder` is where the TOML lies.

        Raises `EnvironmentProblem` when the file or variable cannot be read.
        """
        return secret(folder, self.password_file, self.password_env, "password_env")


def secret(folder: Path, file: Path | None, variable: str | None, key: str) -> str | None:
    """A secret from its environment variable, which the configuration's `key` names, or else its file.

    None where there is neither. Raises `EnvironmentProblem` when the file or variable cannot be read.
    """
    if variable is not None:
        value = os.environ.get(variable)
        if not value:
            raise EnvironmentProblem(
                "the environment variable is not set",
                path=key,
                value=variable,
                hint="Set it for the process that needs it.",
            )
        return value
    return None if file is None else _secret(folder / file)


def _secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(SECRET_BYTES_MAX + 1).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(
            "the secret's file cannot be read",
            path=str(path),
            hint=f"{error}. Check its name, owner and mode.",
        ) from error
    if not text or len(text) > SECRET_BYTES_MAX:
        raise EnvironmentProblem(
            "the secret's file is empty or too long", path=str(path), bound=f"1..{SECRET_BYTES_MAX} bytes"
        )
    return text
