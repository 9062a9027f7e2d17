"""Tests of one build, with one mutant at a time: which tests reach it, and whether one of them fails."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MEMORY_BYTES = 6 << 30
"""A mutant that never stops to collect is stopped."""
LEVELS_S = (0.1, 1.0)
"""Tests that take less run first, several in one process."""


@dataclass
class Test:
    """One test of a test program, as it ran without a mutant."""

    program: str
    folder: str
    name: str
    seconds: float = 0.0
    reached: tuple[int, ...] = ()
    passed: bool = False


@dataclass
class Ran:
    """How a program ended."""

    code: int | None
    """None: it had to be stopped."""
    text: str
    seconds: float


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    os.nice(19)


def run(test: Test, arguments: Iterable[str], seconds_max: float, **environment: str) -> Ran:
    """Runs a test program, with no more memory and time than it may take."""
    quick = {"PROPTEST_MAX_SHRINK_ITERS": "0", "RUST_BACKTRACE": "0"}
    same = {"PROPTEST_RNG_SEED": "1", "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1"}
    began = time.monotonic()
    with subprocess.Popen(
        [test.program, "--test-threads", "1", *arguments],
        cwd=test.folder,
        env={**os.environ, **quick, **same, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=_bounded,
        start_new_session=True,
    ) as process:
        try:
            text, _ = process.communicate(timeout=seconds_max)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            text, _ = process.communicate()
            return Ran(None, text.decode(errors="replace"), time.monotonic() - began)
    return Ran(process.returncode, text.decode(errors="replace"), time.monotonic() - began)


def record(programs: Iterable[tuple[str, str]], folder: Path) -> list[Test]:
    """Runs every test alone, without a mutant: how long it takes, and which mutants it asks for."""
    tests = []
    seen = folder / "seen.txt"
    for program, home in programs:
        listed = run(Test(program, home, ""), ["--list", "--format", "terse"], 60).text.splitlines()
        for name in (line.removesuffix(": test") for line in listed if line.endswith(": test")):
            seen.unlink(missing_ok=True)
            test = Test(program, home, name)
            ran = run(test, ["--exact", name], 900, MUTANTS_SEEN=str(seen))
            test.seconds, test.passed = ran.seconds, ran.code == 0 and " 1 passed" in ran.text
            numbers = seen.read_text().split() if seen.exists() else []
            test.reached = tuple(sorted(map(int, numbers)))
            tests.append(test)
    return tests


def groups(tests: Iterable[Test]) -> Iterator[list[Test]]:
    """Quick ones of one program together, slow ones each alone; the quickest first."""
    together: dict[tuple[object, ...], list[Test]] = defaultdict(list)
    for test in sorted(tests, key=lambda test: test.seconds):
        level = sum(test.seconds >= limit for limit in LEVELS_S)
        alone = (test.name,) if level == len(LEVELS_S) else ()
        together[(level, test.program, *alone)].append(test)
    yield from sorted(together.values(), key=lambda group: sum(test.seconds for test in group))


@cache
def passes(group: tuple[tuple[str, str, str], ...]) -> bool:
    """These tests pass in one process without a mutant: only then it is the mutant that they fail for."""
    tests = [Test(*one) for one in group]
    return run(tests[0], ["--exact", *(test.name for test in tests)], 900, MUTANT="0").code == 0


def judge(number: int, reaching: list[Test]) -> tuple[str, str]:
    """What becomes of a mutant, and which tests found it."""
    if not reaching:
        return "not reached", ""
    for group in groups(reaching):
        seconds_max = 10 + 5 * sum(test.seconds for test in group)
        ran = run(group[0], ["--exact", *(test.name for test in group)], seconds_max, MUTANT=str(number))
        if ran.code != 0 and passes(tuple((test.program, test.folder, test.name) for test in group)):
            lines = [line.split() for line in ran.text.splitlines()]
            failed = [words[1] for words in lines if words[:1] == ["test"] and words[-1] == "FAILED"]
            program = Path(group[0].program).name.rsplit("-", 1)[0]
            how = "no end" if ran.code is None else ", ".join(failed[:3]) or f"code {ran.code}"
            return "found", f"{program}: {how}"
    return "survived", ""
