"""The deployment that a bench measures: one leader, some sessions, some accounts on each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SYMBOL = "EURUSD"
LEADER_ACCOUNT = "LEAD"
"""Account(1) in the leader's reports."""

UNITS = 1000
"""One leader fill. The followers' lots divide it, so that every follower orders exactly once per fill."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is measured and how often."""

    name: str
    sessions: int
    accounts: int
    """Accounts on each session."""
    events: int
    interval_ms: int
    """Between intended times of two leader fills. Open loop: never stretched."""

    @property
    def followers(self) -> int:
        """All accounts."""
        return self.sessions * self.accounts


def account(session: int, index: int) -> str:
    """Account(1) text."""
    return f"A{session}-{index}"


def write_config(
    folder: Path,
    shape: Shape,
    leader_port: int,
    broker_ports: list[int],
    symbols: tuple[str, ...] = (SYMBOL,),
) -> Path:
    """Writes gateway.toml; the state folder is beside it."""
    parts = [
        '[gateway]\ndeployment = "bench"\nstate_dir = "state"\n',
        _session("LEADER", "LEADERBRK", leader_port),
        f'[leaders.alpha]\nsession = "LEADER"\naccount = "{LEADER_ACCOUNT}"\nassume_flat = true\n',
    ]
    for symbol in symbols:
        parts.append(
            f'[instruments.{symbol}]\ncontract_size = "1000"\nlot_step = "0.01"\nmin_lot = "0.01"\n'
            f'tick = "0.00001"\nbase = "{symbol[:3]}"\ncurrency = "{symbol[3:]}"\n'
        )
    for s, port in enumerate(broker_ports):
        parts += [_session(f"R{s}", f"BROKER{s}", port), f'[routes.r{s}]\nsession = "R{s}"\n']
    for s in range(shape.sessions):
        for a in range(shape.accounts):
            name = f"f{s}-{a}"
            parts.append(f'[followers.{name}]\nroute = "r{s}"\naccount = "{account(s, a)}"\n')
            parts.append(
                f'[[subscriptions]]\nfollower = "{name}"\nleader = "alpha"\n'
                'sizing = { mode = "multiplier", k = "1" }\n'
            )
    path = folder / "gateway.toml"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _session(name: str, target: str, port: int) -> str:
    return (
        f'[sessions.{name}]\nrole = "initiator"\nbegin_string = "FIX.4.4"\nsender_comp_id = "COPYGATE"\n'
        f'target_comp_id = "{target}"\nhost = "127.0.0.1"\nport = {port}\nprofile = "copygate44"\n'
        "heartbeat_s = 30\nreconnect_s = 1\n"
    )
