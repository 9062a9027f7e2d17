"""The command: build, judge, tell."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

from . import __doc__ as description
from .build import ROOT, build, copied, programs
from .known import LIST, equivalent, wrong
from .run import Test, judge, record
from .source import Mutant

ENDS = ("found", "survived", "not reached", "left out")


def options() -> argparse.Namespace:
    """The words of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.mutants",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", help="files of fastcore/src, without .rs")
    parser.add_argument("--again", action="store_true", help="judge only what was not found last time")
    parser.add_argument("--cargo", default="cargo", help="how cargo is called, for example `nice cargo`")
    parser.add_argument("--packages", default="fastcore,journal", help="whose tests look for them")
    parser.add_argument("--seconds-max", type=float, default=900, help="tests that take longer are left out")
    parser.add_argument("--work", type=Path, default=ROOT / "target/mutants", help="where the copy is made")
    return parser.parse_args()


def usable(tests: list[Test], seconds_max: float) -> list[Test]:
    """Tests that can judge: alone, without a mutant, they pass, and in time. The others are named."""
    used = [test for test in tests if test.passed and test.seconds <= seconds_max]
    print(f"{len(used)} of {len(tests)} tests, {sum(test.seconds for test in used):.0f} s")
    for test in tests:
        if test not in used:
            print(f"not used, {'too slow' if test.passed else 'does not pass alone'}: {test.name}")
    sys.stdout.flush()
    return used


def judged(
    mutants: list[Mutant], tests: list[Test], kept: Path, before: dict[str, tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    """How each mutant ended, and by which tests, by its key; kept as it goes."""
    reaching: dict[int, list[Test]] = defaultdict(list)
    for test in tests:
        for number in test.reached:
            reaching[number].append(test)
    results = {}
    for mutant in mutants:
        if mutant.left_out:
            results[mutant.key] = ("left out", mutant.left_out)
        elif before.get(mutant.key, ("", ""))[0] == "found":
            results[mutant.key] = before[mutant.key]
        else:
            results[mutant.key] = judge(mutant.number, reaching[mutant.number])
        kept.write_text(json.dumps(results, indent=0))
        if len(results) % 50 == 0:
            print(f"{len(results)} of {len(mutants)} judged", flush=True)
    return results


def table(mutants: list[Mutant], how: dict[str, str]) -> None:
    """Counts by file, and why mutants are not in the build."""
    print(f"{'file':32}{'mutants':>9}" + "".join(f"{end:>13}" for end in ENDS))
    for file in dict.fromkeys(mutant.file for mutant in mutants):
        counts = Counter(how[mutant.key] for mutant in mutants if mutant.file == file)
        print(f"{file:32}{counts.total():9}" + "".join(f"{counts[end]:13}" for end in ENDS))
    for why, number in Counter(mutant.left_out for mutant in mutants if mutant.left_out).items():
        print(f"left out, {why}: {number}")


def main() -> None:
    """The whole way, or only what survived last time."""
    o = options()
    kept = o.work / "results.json"
    if o.again and not kept.exists():
        sys.exit(f"nothing was judged before: {kept} is not there")
    before = json.loads(kept.read_text()) if o.again else {}
    packages = [word for package in o.packages.split(",") for word in ("-p", package)]
    tree = copied(o.work)
    mutants = build(tree, [f"fastcore/src/{name}.rs" for name in o.files], o.cargo, packages)
    tests = record(programs(tree, o.cargo, packages), o.work)
    (o.work / "tests.json").write_text(json.dumps([asdict(test) for test in tests]))
    results = judged(mutants, usable(tests, o.seconds_max), kept, before)
    how = {key: end for key, (end, _) in results.items()}
    table(mutants, how)
    lines = wrong(mutants, how, equivalent(LIST.read_text(encoding="utf-8")))
    print("\n".join(lines))
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
