"""The doctor before a deployment runs and while it does: it knows its own, and disturbs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.doctor.gather import gather
from gateway.resources import root
from tests.e2e.plant import Plant


class Report:
    """What one run of the doctor said."""

    def __init__(self, config: Path, *options: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "doctor", str(config), "--json", *options],
            cwd=root(), capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        self.code = done.returncode
        self.text = done.stdout
        assert done.stderr == ""
        self.checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]

    def result(self, name: str) -> str:
        """The worst result of a check."""
        order = ["skip", "ok", "warn", "fail"]
        return str(max((check["result"] for check in self.checks if check["name"] == name), key=order.index))

    def seen(self, name: str) -> str:
        """What it saw."""
        return "\n".join(check["seen"] for check in self.checks if check["name"] == name)

    def failed(self) -> set[str]:
        """Names of checks that failed."""
        return {check["name"] for check in self.checks if check["result"] == "fail"}


class Examined(Plant):
    """A deployment that the doctor sees before its first start."""

    BROKERS = "D"
    before: Report

    def _start(self) -> subprocess.Popen[str]:
        self.before = Report(self.config)
        return super()._start()


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examined]:
    """The deployment, trading."""
    plant = Examined(tmp_path_factory.mktemp("doctor"))
    try:
        plant.until(plant.is_ready, "the deployment does not start")
        yield plant
    finally:
        plant.close()


def test_before_a_start_only_what_is_not_there_fails(examined: Examined) -> None:
    """One broker does not listen yet; ports are free, keys are pairs, and nothing runs."""
    before = examined.before
    assert before.failed() == {"counterparties"}, before.checks
    assert before.code == 1
    assert before.seen("counterparties").startswith("D3: 127.0.0.1:")
    assert before.seen("ports") == "1 free, 0 held by this deployment"
    assert before.seen("keys") == "5 pairs, 0 public keys of other hosts"
    assert {before.result(name) for name in ("core runs", "routes", "audit", "locks")} == {"skip"}


def test_while_it_runs_its_own_ports_and_locks_are_its_own(examined: Examined) -> None:
    """Who holds what, by process id; the core's row; the one route whose broker is not there."""
    report = Report(examined.config, "--offline")
    assert report.failed() == set(), report.checks
    assert report.code == 0
    assert report.seen("ports") == "0 free, 1 held by this deployment"
    assert f"core by pid {examined.pid('core')}" in report.seen("locks")
    assert f"route-r1 by pid {examined.pid('route:r1')}" in report.seen("locks")
    assert report.seen("core runs").startswith("epoch 1, journal row ")
    assert report.seen("routes") == "3 of 4 up; not: r3"
    assert report.result("audit") == "ok"
    assert report.result("counterparties") == "skip"


def test_a_running_deployments_counterparties_get_no_second_connection(examined: Examined) -> None:
    """Only the broker that is not there is tried, and trading goes on."""
    assert [peer.session for peer in gather(examined.config, False).peers] == ["D3"]
    examined.copies_a_round_trip()


def test_no_secret_is_in_a_report(examined: Examined) -> None:
    """Of any of the keys, in any of the reports."""
    texts = examined.before.text + Report(examined.config, "--offline").text
    for path in (examined.folder / "keys").iterdir():
        assert path.read_text().strip() not in texts


def test_a_core_that_is_gone_is_not_said_to_run(examined: Examined) -> None:
    """After a stop the locks are free again, and its files are as it left them."""
    examined.gateway.terminate()
    examined.gateway.wait(10)
    report = Report(examined.config, "--offline")
    assert report.seen("locks") == "nobody holds one"
    assert report.result("core runs") == "skip"
    assert report.seen("ports") == "1 free, 0 held by this deployment"
    assert report.code == 0
