"""The wheel as a user has it: installed beside its dependencies, run in an empty folder, no checkout near."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD_S = 900
"""Compiling the core, when nothing is built yet."""
RUN_S = 90
SOURCES = {".py", ".pyi", ".toml", ".xml", ".md"}
COMMANDS = (
    "check",
    "schema",
    "init",
    "keys",
    "run",
    "status",
    "ctl",
    "sim",
    "audit",
    "alerts",
    "doctor",
    "demo",
    "version",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout; cargo has nothing to do when the core is built."""
    folder = tmp_path_factory.mktemp("wheel")
    tools = Path(sys.executable).parent
    # As the Makefile has it: another interpreter would have cargo compile everything again.
    same = {"PYO3_PYTHON": sys.executable, "PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(tools / "maturin"), "build", "--release", "--quiet", "--out", str(folder)],
        cwd=ROOT, env={**os.environ, **same}, capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`copygate` of a new environment that has our dependencies, but not our checkout, on its path."""
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], timeout=RUN_S, check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", str(wheel)], timeout=RUN_S, check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Path files in a folder that is added this way are not read: the checkout stays outside.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return folder / "bin" / "copygate"


@pytest.fixture
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with a short name: paths of sockets have a bound."""
    return tmp_path_factory.mktemp("e")


def run(command: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs `copygate …` in a folder, with nothing of our environment but the path."""
    return subprocess.run(
        [str(command), *words],
        cwd=folder,
        env={"PATH": os.defpath, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )


def test_the_wheel_holds_what_a_checkout_holds(wheel: Path) -> None:
    """Every dictionary, profile, deployment and module of the sources; nothing of tests, tools and state."""
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        str(path.relative_to(ROOT))
        for folder in ("gateway", "fix_specs", "sessions")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in SOURCES and "state" not in path.parts
    }
    assert len(sources) > 50
    assert sources - names == set()
    assert any(name.startswith("gateway/_fastcore") for name in names)
    assert not [
        name for name in names if re.match(r"(tests|tools|docs|fastcore)/|.*(\.db|\.pyc)$|.*/state/", name)
    ]


def test_the_installed_command_is_not_the_checkouts(command: Path, empty: Path) -> None:
    """The test would prove nothing otherwise."""
    where = "import gateway; print(gateway.__file__)"
    done = subprocess.run(
        [str(command.parent / "python"), "-c", where],
        cwd=empty, env={}, capture_output=True, text=True, timeout=RUN_S, check=True,
    )  # fmt: skip
    assert Path(done.stdout.strip()).is_relative_to(command.parents[1])


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(command: Path, empty: Path, name: str) -> None:
    """Nothing that help needs is missing from the wheel."""
    done = run(command, empty, name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: copygate" in done.stdout


def test_check_accepts_what_is_packaged_and_what_init_writes(command: Path, empty: Path) -> None:
    """Demo and starting deployment find their profiles in the installed package; the schema is JSON."""
    assert json.loads(run(command, empty, "schema").stdout)["title"] == "GatewayConfig"
    assert run(command, empty, "init", "desk").returncode == 0
    (demo,) = command.parents[1].glob("lib/python*/site-packages/sessions/demo/gateway.toml")
    for file in (demo, empty / "desk" / "gateway.toml"):
        done = run(command, empty, "check", str(file))
        assert done.returncode == 0, done.stdout
        assert "no errors, 0 warning(s)" in done.stdout


def test_the_demo_runs_in_an_empty_folder(command: Path, empty: Path) -> None:
    """Real sessions with the packaged dictionaries, and books that agree."""
    done = run(command, empty, "demo", "--seconds", "3", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["follower_fills"] > 0
    assert (figures["lost"], figures["duplicated"], figures["off_target_followers"]) == (0, 0, 0)
