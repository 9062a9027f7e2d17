"""QuickFIX's settings of our sessions. Each one is set on purpose: its default may change or surprise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config_sections import SessionConfig
from gateway.fix import dictionary
from gateway.fix.swig import fix

PERSIST_MESSAGES = "N"
"""Nothing that was sent is ever sent again, so QuickFIX keeps none of it and answers each resend request
with a GapFill: an order that was handed to a session that is down has nothing to come back from, and a send
costs one file less. `toApp` refuses repeats all the same."""
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """What the FIX layer needs to know of one session."""

    name: str
    role: str
    """`initiator` or `acceptor`."""
    begin_string: str
    sender_comp_id: str
    target_comp_id: str
    host: str
    port: int
    appl_ver_id: str | None = None
    """DefaultApplVerID(1137), for FIXT.1.1."""
    sender_sub_id: str | None = None
    target_sub_id: str | None = None
    username: str | None = None
    password: str | None = None
    heartbeat_s: int = 10
    reconnect_s: int = 2
    logon_timeout_s: int = 10
    reset: str = "never"
    start_time: str | None = None
    end_time: str | None = None
    max_unacked: int = 1_000
    sends_groups: bool = True
    """Whether our messages may hold repeating groups: the dictionary that reads them is ready at start."""

    @property
    def key(self) -> str:
        """QuickFIX's own text for the session."""
        return f"{self.begin_string}:{self.sender_comp_id}->{self.target_comp_id}"


def spec_of(name: str, session: SessionConfig, profile: dict[str, Any], folder: Path) -> SessionSpec:
    """The session of a configuration; `folder` is where its TOML lies. Reads the password."""
    return SessionSpec(
        name=name,
        role=session.role,
        begin_string=session.begin_string,
        sender_comp_id=session.sender_comp_id,
        target_comp_id=session.target_comp_id,
        host=session.host,
        port=session.port,
        appl_ver_id=profile.get("appl_ver_id"),
        sender_sub_id=session.sender_sub_id,
        target_sub_id=session.target_sub_id,
        username=session.username,
        password=session.password(folder),
        heartbeat_s=session.heartbeat_s,
        reconnect_s=session.reconnect_s,
        logon_timeout_s=session.logon_timeout_s,
        reset=session.reset,
        start_time=session.start_time,
        end_time=session.end_time,
        max_unacked=session.max_unacked,
        # The core itself writes plain fields; all else comes from the profile.
        sends_groups=bool(profile.get("extra_fields")) or isinstance(profile.get("account_field"), dict),
    )


def settings_of(spec: SessionSpec, store_dir: Path, dictionaries: Path | None = None) -> dict[str, str]:
    """Every setting of one session, as QuickFIX names them."""
    return {
        **_identity(spec),
        **_hours(spec),
        **_connection(spec),
        **_validation(spec, dictionaries),
        "PersistMessages": PERSIST_MESSAGES,
        "FileStorePath": str(store_dir),
    }


def session_settings(specs: list[SessionSpec], store_dir: Path, dictionaries: Path | None = None) -> Any:
    """QuickFIX's SessionSettings for several sessions of one role."""
    settings = fix.SessionSettings()
    # An initiator reads this one from the common section only. Without it a second order waits for the peer's
    # delayed acknowledgement (Nagle's algorithm), for up to 40 ms.
    settings.set(_dictionary({"SocketNodelay": "Y"}))
    for spec in specs:
        values = _dictionary(settings_of(spec, store_dir, dictionaries))
        settings.set(fix.SessionID(spec.begin_string, spec.sender_comp_id, spec.target_comp_id), values)
    return settings


def _dictionary(values: dict[str, str]) -> Any:
    made = fix.Dictionary()
    for name, value in values.items():
        made.setString(name, value)
    return made


def _identity(spec: SessionSpec) -> dict[str, str]:
    values = {
        "ConnectionType": spec.role,
        "BeginString": spec.begin_string,
        "SenderCompID": spec.sender_comp_id,
        "TargetCompID": spec.target_comp_id,
        "CheckCompID": "Y",
        # `on_logon` is an acceptor's switch in QuickFIX's words, but it also makes an initiator send 141=Y.
        "ResetOnLogon": _flag(spec.reset == "on_logon"),
        "ResetOnLogout": _flag(spec.reset == "on_logout"),
        "ResetOnDisconnect": _flag(spec.reset == "on_disconnect"),
        # The store is ours alone; reading it again on logon would hide a second process.
        "RefreshOnLogon": "N",
        "SendRedundantResendRequests": "N",
        "SendNextExpectedMsgSeqNum": "N",
    }
    if spec.begin_string == "FIXT.1.1":
        values["DefaultApplVerID"] = spec.appl_ver_id or "9"
    return values


def _hours(spec: SessionSpec) -> dict[str, str]:
    values = {"UseLocalTime": "N"}
    if spec.start_time is None or spec.end_time is None:
        return {**values, "NonStopSession": "Y"}
    return {**values, "NonStopSession": "N", "StartTime": spec.start_time, "EndTime": spec.end_time}


def _connection(spec: SessionSpec) -> dict[str, str]:
    values = {
        "HeartBtInt": str(spec.heartbeat_s),
        "LogonTimeout": str(spec.logon_timeout_s),
        "LogoutTimeout": "1",
        "SocketNodelay": "Y",
        "TimestampPrecision": "3",
    }
    if spec.role == "initiator":
        return {
            **values,
            "SocketConnectHost": spec.host,
            "SocketConnectPort": str(spec.port),
            "ReconnectInterval": str(spec.reconnect_s),
        }
    values = {**values, "SocketAcceptPort": str(spec.port), "SocketReuseAddress": "Y"}
    if spec.host in LOCAL_HOSTS:
        # QuickFIX listens on every address; a session meant for this host refuses the others.
        values["AllowedRemoteAddresses"] = "127.0.0.1"
    return values


def _validation(spec: SessionSpec, dictionaries: Path | None) -> dict[str, str]:
    values = {
        "UseDataDictionary": "Y",
        "ValidateLengthAndChecksum": "Y",
        "ValidateFieldsOutOfOrder": "N",
        "ValidateFieldsHaveValues": "N",
        "ValidateUserDefinedFields": "N",
        "AllowUnknownMsgFields": "Y",
        "PreserveMessageFieldsOrder": "N",
        # A report with an odd clock is still a report: the core judges age.
        "CheckLatency": "N",
        "MaxLatency": "120",
    }
    path = str(dictionary.transport(spec.begin_string, dictionaries))
    if spec.begin_string != "FIXT.1.1":
        return {**values, "DataDictionary": path}
    application = str(dictionary.application(dictionaries))
    return {**values, "TransportDataDictionary": path, "AppDataDictionary": application}


def _flag(on: bool) -> str:
    return "Y" if on else "N"
