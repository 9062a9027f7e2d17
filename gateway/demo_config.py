"""The demo's deployment: any number of followers over any number of sessions, every sizing mode among six."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.sim.fix_server import free_port
from gateway.sim.market import DEMO_INSTRUMENTS
from gateway.sim.text import number

LEADER_ACCOUNT = "LEADER"
GOLD, CURRENCIES = ("XAUUSD",), ("EURUSD", "GBPUSD", "AUDUSD")


@dataclass(frozen=True)
class DemoRule:
    """One subscription: how it is sized, and for which instruments. No instruments: all of them."""

    sizing: str
    options: str = ""
    name: str = ""
    instruments: tuple[str, ...] = ()


@dataclass(frozen=True)
class DemoShape:
    """What one follower does. `label` fits the view's column; `account` is TOML of the follower."""

    label: str
    rules: tuple[DemoRule, ...]
    account: str = ""


SHAPES = (
    DemoShape("multiplier x0.5", (DemoRule('{ mode = "multiplier", k = "0.5" }'),)),
    DemoShape(
        "percent, equity x0.5",
        (
            DemoRule('{ mode = "percent", percent = 30 }', 'rounding = "nearest"', "gold", GOLD),
            DemoRule('{ mode = "equity", k = "0.5" }', "max_ratio = 10", "currencies", CURRENCIES),
        ),
    ),
    DemoShape(
        "notional, lots x1.5",
        (
            DemoRule('{ mode = "notional", k = "0.25" }', "max_ratio = 20", "gold", GOLD),
            DemoRule('{ mode = "lots_multiplier", k = "1.5" }', "", "currencies", CURRENCIES),
        ),
    ),
    DemoShape("fixed 0.1 lots", (DemoRule('{ mode = "fixed", lots = "0.1" }', 'rounding = "hold"'),)),
    # It may not open gold: refusals with the code `restricted`.
    DemoShape(
        "balance, free_margin",
        (
            DemoRule(
                '{ mode = "balance", k = "0.5" }',
                'max_ratio = 10\nrounding = "min_lot_if_nonzero"',
                "main",
                ("EURUSD", "GBPUSD", *GOLD),
            ),
            DemoRule('{ mode = "free_margin", k = "0.5" }', "max_ratio = 10", "aussie", ("AUDUSD",)),
        ),
        'restricted = ["XAUUSD"]',
    ),
    # A bound that the second order of a series meets: refusals with the code `max_position`.
    DemoShape(
        "reverse percent_equity",
        (DemoRule('{ mode = "percent_equity", percent = 10 }', "reverse = true"),),
        'limits = { max_position_lots = "0.08", on_breach = "refuse" }',
    ),
)
"""Followers take them in turn."""


@dataclass(frozen=True)
class DemoFollower:
    """One follower: its account at the broker of `session`, and what it does."""

    name: str
    account: str
    session: str
    shape: DemoShape


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

    @property
    def accounts(self) -> dict[str, str]:
        """Follower name to account."""
        return {follower.name: follower.account for follower in self.followers}


def plan(folder: Path, followers: int, sessions: int) -> DemoDeployment:
    """Spreads followers over sessions. A session without a follower would be idle, so there is none."""
    names = [f"R{n}" for n in range(1, min(sessions, followers) + 1)]
    made = tuple(
        DemoFollower(f"f{n + 1}", f"F{n + 1}", names[n % len(names)], SHAPES[n % len(SHAPES)])
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
    parts += [_follower(follower) for follower in deployment.followers]
    parts += [
        _subscription(follower, rule) for follower in deployment.followers for rule in follower.shape.rules
    ]
    return "\n\n".join(parts) + "\n"


def _follower(follower: DemoFollower) -> str:
    return (
        f'[followers.{follower.name}]\nroute = "{follower.session.lower()}"\n'
        f'account = "{follower.account}"\ncurrency = "USD"\n{follower.shape.account}'
    ).rstrip()


def _subscription(follower: DemoFollower, rule: DemoRule) -> str:
    lines = ["[[subscriptions]]"]
    if rule.name:
        lines.append(f'name = "{follower.name}-{rule.name}"')
    lines += [f'follower = "{follower.name}"', 'leader = "alpha"', f"sizing = {rule.sizing}"]
    if rule.options:
        lines.append(rule.options)
    if rule.instruments:
        named = ", ".join(f'"{name}"' for name in rule.instruments)
        lines.append(f"filters = {{ instruments = [{named}] }}")
    return "\n".join(lines)


def write(deployment: DemoDeployment) -> None:
    """Writes the TOML file, new."""
    deployment.folder.mkdir(parents=True, exist_ok=True)
    deployment.config.write_text(render(deployment), encoding="utf-8")
