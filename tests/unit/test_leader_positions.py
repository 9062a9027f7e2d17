"""What the status shows of leaders whose positions stand side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from gateway._fastcore import Pipeline
from gateway.config import load
from gateway.config_core import core_json
from gateway.control_view import status_screen
from tests.unit.config_text import GOOD, write

NOW_NS = 1_700_000_000_000_000_000


def report(order: str, side: int, qty: int, position: str) -> bytes:
    """His order, filled whole."""
    body = (
        f"35=8|37={order}|17={order}|150=F|39=2|1=L1|55=EURUSD|54={side}|38={qty}|32={qty}|31=1.1|14={qty}|"
        f"151=0|60=20231114-22:13:20|721={position}|"
    ).replace("|", "\x01")
    head = f"8=FIX.4.4\x019={len(body)}\x01{body}"
    return f"{head}10={sum(head.encode()) % 256:03}\x01".encode()


def status_of(folder: Path) -> dict[str, Any]:
    """The status of a core whose leader is long A and short B."""
    file = write(folder, GOOD)
    with (folder / "profiles" / "plain.toml").open("a", encoding="utf-8") as stream:
        stream.write('position_model = "hedging"\nposition_id_tag = 721\n')
    pipeline = Pipeline.open(folder / "state", core_json(load(file)), "process", NOW_NS)
    pipeline.submit("leader", "LEADER", report("o1", 1, 300_000, "A"), NOW_NS)
    pipeline.submit("leader", "LEADER", report("o2", 2, 100_000, "B"), NOW_NS)
    status: dict[str, Any] = json.loads(pipeline.status())
    pipeline.close()
    return status


def test_the_status_has_his_net_and_what_it_consists_of(tmp_path: Path) -> None:
    """By name, in units; as JSON and on the screen."""
    status = status_of(tmp_path)
    named = [{"id": "A", "units": "300000"}, {"id": "B", "units": "-100000"}]
    one = {"leader": "alpha", "instrument": "EURUSD", "net": "200000", "positions": named, "unnamed": "0"}
    assert status["leader_positions"] == [one]
    console = Console(width=120)
    with console.capture() as shown:
        console.print(
            status_screen("d", {"leader_positions": [one, {**one, "leader": "beta", "unnamed": "7"}]})
        )
    lines = shown.get().splitlines()
    shown_as = ["alpha", "EURUSD", "200000", "A", "300000,", "B", "-100000"]
    assert next(line.split() for line in lines if "alpha" in line) == shown_as
    assert next(line for line in lines if "beta" in line).rstrip().endswith(", 7 without a name")
