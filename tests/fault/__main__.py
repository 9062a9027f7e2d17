"""`python -m tests.fault --seeds 1..300`: real processes and sockets, faults by seed, and the verdict."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway.fork import die_with
from gateway.resources import root
from tests.fault.gateway import CORE, WITHOUT
from tests.fault.run import run
from tests.fault.schedule import BY_NAME, KINDS, schedule
from tests.fault.without import LEFT_OUT

COUNTED = (
    "intents", "sent", "accepted_twice", "unknown_left", "lost_closes", "off_target", "stale_opens",
    "not_copied", "broken",
)  # fmt: skip
SEED_S = 240
"""A seed that takes longer hangs."""
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Files in memory: a disk that other programs keep busy is a fault that no schedule names."""


def build_shim(folder: Path) -> Path:
    """Compiles `shim.cpp`. Raises CalledProcessError with the compiler's words."""
    library = folder / "shim.so"
    source = Path(__file__).with_name("shim.cpp")
    words = ["c++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*words, "-o", str(library), str(source), "-ldl"], check=True)
    return library


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("--seeds", default="1..20", help="like 1..20,28 (default: 1..20)")
    parser.add_argument("--kinds", default="", help=f"only these, with commas: {', '.join(KINDS | BY_NAME)}")
    parser.add_argument(
        "--without", default="", help="leave this rule out of the gateway: the judge must find it"
    )
    parser.add_argument("--core", default="", help="another build of the core, for --without")
    parser.add_argument(
        "--rules", action="store_true", help="leave out one rule after the other; needs --core"
    )
    parser.add_argument("--jobs", type=int, default=4, help="seeds at a time (default: 4)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--plan", action="store_true", help="print what would be broken, and break nothing")
    parser.add_argument("--keep", action="store_true", help="keep the folders of seeds that are well, too")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args(words)


def seeds_of(text: str) -> list[int]:
    """A..B with both included, or single numbers, with commas between. SystemExit says what is wrong."""
    chosen: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("..")
        try:
            some = range(int(first), int(last or first) + 1)
        except ValueError:
            raise SystemExit(f"--seeds: {part!r} is not like 1..20") from None
        if not some:
            raise SystemExit(f"--seeds: {part!r} is empty")
        chosen += some
    return chosen


def main() -> int:
    """Runs the seeds, each in a process of its own, and adds up. 0: nothing found, 1: something, 2: usage."""
    chosen = options()
    kinds = tuple(k for k in chosen.kinds.split(",") if k)
    try:
        schedule(0, kinds)
    except ValueError as error:
        sys.stderr.write(f"--kinds: {error}\n")
        return 2
    if chosen.one is not None:
        return _one(int(chosen.seeds), kinds, Path(chosen.one))
    if chosen.plan:
        for seed in seeds_of(chosen.seeds):
            print(f"seed {seed}", *schedule(seed, kinds), sep="\n  ")
        return 0
    if chosen.rules:
        return _rules(chosen)
    total = _play(chosen)
    print(json.dumps(total) if chosen.json else "\n".join(f"{k}: {v}" for k, v in total.items()))
    return int(bool(total["failed"]))


def _play(chosen: argparse.Namespace) -> dict[str, Any]:
    """The seeds, several at a time; the figures of all."""
    with tempfile.TemporaryDirectory(prefix="copygate-fault-") as library:
        shim = build_shim(Path(library))
        with ThreadPoolExecutor(chosen.jobs) as pool:
            work = [pool.submit(_apart, seed, chosen, shim) for seed in seeds_of(chosen.seeds)]
            results = []
            for future in work:
                results.append(future.result())
                if not chosen.json:
                    _say(results[-1], chosen)
    return add_up(results)


def _rules(chosen: argparse.Namespace) -> int:
    """Every rule of `without.py` is left out; 1 when the judge finds nothing missing where one is."""
    unseen = []
    for rule in LEFT_OUT:
        core = "" if rule.shell else chosen.core
        words = {"seeds": rule.seeds, "kinds": rule.kinds, "without": rule.name, "core": core, "json": True}
        found = _play(argparse.Namespace(**{**vars(chosen), **words}))
        counts = {name: found[name] for name in COUNTED[2:] if found[name]}
        state = ", ".join(f"{name} {count}" for name, count in counts.items()) or "NOTHING FOUND"
        print(f"without {rule.name} ({rule.says}): {state}", flush=True)
        if not found["failed"]:
            unseen.append(rule.name)
    print(f"rules left out: {len(LEFT_OUT)}, found missing: {len(LEFT_OUT) - len(unseen)}")
    return int(bool(unseen))


def _one(seed: int, kinds: tuple[str, ...], folder: Path) -> int:
    die_with(os.getppid())
    environment = {
        name: os.environ[name] for name in (CORE, WITHOUT, "LD_PRELOAD_OF_GATEWAY") if name in os.environ
    }
    environment["LD_PRELOAD"] = environment.pop("LD_PRELOAD_OF_GATEWAY")
    outcome = run(seed, kinds, folder, environment)
    (folder / "outcome.json").write_text(json.dumps(outcome.as_json()), encoding="utf-8")
    # QuickFIX's threads are not waited for: everything that matters is written.
    sys.stdout.flush()
    os._exit(0 if outcome.finding.good else 1)


def _apart(seed: int, chosen: argparse.Namespace, shim: Path) -> dict[str, Any]:
    """One seed in its own process: QuickFIX knows a session once in each."""
    folder = Path(tempfile.mkdtemp(prefix=f"copygate-fault-{seed}-", dir=MEMORY))
    environment = {**os.environ, "LD_PRELOAD_OF_GATEWAY": str(shim), WITHOUT: chosen.without}
    if chosen.core:
        environment[CORE] = str(Path(chosen.core).resolve())
    words = [
        sys.executable,
        "-m",
        "tests.fault",
        "--seeds",
        str(seed),
        "--kinds",
        chosen.kinds,
        "--one",
        str(folder),
    ]
    with (folder / "harness.log").open("wb") as log:
        try:
            subprocess.run(
                words, cwd=root(), env=environment, stdout=log, stderr=log, timeout=SEED_S, check=False
            )
        except subprocess.TimeoutExpired:
            log.write(b"the seed takes too long\n")
    try:
        result: dict[str, Any] = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        result = {"seed": seed, "broken": 1, "reasons": ["broken: the harness itself ended, see harness.log"]}
    result["folder"] = str(folder)
    if not result["reasons"] and not chosen.keep:
        shutil.rmtree(folder)
    return result


def _say(result: dict[str, Any], chosen: argparse.Namespace) -> None:
    state = "ok" if not result["reasons"] else "FOUND"
    figures = (
        f"{result.get('faults', 0)} faults, {result.get('sent', 0)} orders, {result.get('recovery_s', 0)} s"
    )
    print(f"seed {result['seed']}: {state} ({figures})", flush=True)
    for reason in result["reasons"]:
        print(f"  {reason}")
    if result["reasons"]:
        more = "".join(
            f" --{name} {getattr(chosen, name)}"
            for name in ("kinds", "without", "core")
            if getattr(chosen, name)
        )
        print(f"  again: python -m tests.fault --seeds {result['seed']}{more}")
        print(f"  files: {result['folder']}", flush=True)


def add_up(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all seeds."""
    recovery = sorted(r["recovery_s"] for r in results if "recovery_s" in r)
    kinds = Counter(kind for r in results for kind in r.get("kinds", []))
    return {
        "seeds": len(results),
        "failed": [r["seed"] for r in results if r["reasons"]],
        "faults": sum(r.get("faults", 0) for r in results),
        "executions": sum(r.get("executions", 0) for r in results),
        **{name: sum(r.get(name, 0) for r in results) for name in COUNTED},
        "recovery_s": {"p50": statistics.median(recovery), "max": recovery[-1]} if recovery else {},
        "seeds_with_kind": dict(sorted(kinds.items())),
    }


if __name__ == "__main__":
    sys.exit(main())
