"""The demo's deployment: any number of followers over any number of sessions, every sizing mode in turn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.sim.fix_server import free_port
from gateway.sim.market import DEMO_INSTRUMENTS
from gateway.sim.text import number

LEADER_ACCOUNT = "LEADER"
SIZINGS = (
    ('{ mode = "multiplier", k = "0.5" }', ""),
    ('{ mode = "percent", percent = 30 }', 'rounding = "nearest"'),
    ('{ mode = "equity", k = 1 }', "max_ratio = 10"),
    ('{ mode = "fixed", lots = "0.1" }', 'rounding = "hold"'),
    ('{ mode = "balance", k = 1 }', 'max_ratio = 10\nrounding = "min_lot_if_nonzero"'),
    ('{ mode = "percent_equity", percent = 10 }', "max_ratio = 10\nreverse = true"),
    ('{ mode = "lots_multiplier", k = "1.5" }', ""),
    ('{ mode = "free_margin", k = 1 }', "max_ratio = 10"),
    ('{ mode = "notional", k = "0.25" }', "max_ratio = 20"),
)


@dataclass(frozen=True)
class DemoFollower:
    """One follower: its account at the broker of `session`, and how it is sized."""

    name: str
    account: str
    session: str
    sizing: str
    options: str


@dataclass(frozen=True)
class DemoDeployment:
    """Where everything is."""

    folder: Path
    followers: tuple[DemoFollower, ...]
    ports: dict[str, int]
    """Session name to port; the leader's is LEADER."""

    @property
    def config(self) -> Path:
        """The deployment's TOML file."""
        return self.folder / "gateway.toml"

    @property
    def state(self) -> Path:
        """The gateway's state folder."""
        return self.folder / "state"

    @property
    def brokers(self) -> list[str]:
        """Names of the followers' sessions."""
        return [name for name in self.ports if name != "LEADER"]


def plan(folder: Path, followers: int, sessions: int) -> DemoDeployment:
    """Spreads followers over sessions. A session without a follower would be idle, so there is none."""
    names = [f"R{n}" for n in range(1, min(sessions, followers) + 1)]
    made = tuple(
        DemoFollower(f"f{n + 1}", f"F{n + 1}", names[n % len(names)], *SIZINGS[n % len(SIZINGS)])
        for n in range(followers)
    )
    return DemoDeployment(folder, made, {name: free_port() for name in ("LEADER", *names)})


def render(deployment: DemoDeployment) -> str:
    """The TOML text."""
    parts = [
        '[gateway]\ndeployment = "demo"\nstate_dir = "state"',
        '[limits]\nmax_order_qty_lots = "20"\nmax_position_lots = "100"\non_breach = "clip"',
    ]
    for instrument in DEMO_INSTRUMENTS:
        parts.append(
            f"[instruments.{instrument.name}]\ncontract_size = {number(instrument.lot_units)}\n"
            f'lot_step = "0.01"\nmin_lot = "0.01"\ntick = "{number(instrument.tick)}"\n'
            f'base = "{instrument.name[:3]}"\ncurrency = "{instrument.name[3:]}"'
        )
    for name, port in deployment.ports.items():
        parts.append(
            f'[sessions.{name}]\nrole = "initiator"\nbegin_string = "FIX.4.4"\nsender_comp_id = "COPYGATE"\n'
            f'target_comp_id = "{name}"\nhost = "127.0.0.1"\nport = {port}\nprofile = "copygate44"\n'
            "heartbeat_s = 5\nreconnect_s = 1"
        )
    parts.append(
        f'[leaders.alpha]\nsession = "LEADER"\naccount = "{LEADER_ACCOUNT}"\n'
        'currency = "USD"\nassume_flat = true'
    )
    parts += [f'[routes.{name.lower()}]\nsession = "{name}"' for name in deployment.brokers]
    for follower in deployment.followers:
        parts.append(
            f'[followers.{follower.name}]\nroute = "{follower.session.lower()}"\n'
            f'account = "{follower.account}"\ncurrency = "USD"'
        )
    for follower in deployment.followers:
        who = f'[[subscriptions]]\nfollower = "{follower.name}"\nleader = "alpha"'
        parts.append(f"{who}\nsizing = {follower.sizing}\n{follower.options}".rstrip())
    return "\n\n".join(parts) + "\n"


def write(deployment: DemoDeployment) -> None:
    """Writes the TOML file, new."""
    deployment.folder.mkdir(parents=True, exist_ok=True)
    deployment.config.write_text(render(deployment), encoding="utf-8")
