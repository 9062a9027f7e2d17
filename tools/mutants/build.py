"""A copy of the sources with all mutants in it, and its test programs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from .known import name as give_names
from .source import Mutant, Source, instead, listed_change

ROOT = Path(__file__).resolve().parents[2]
ROUNDS_MAX = 9
ASKED = re.compile(r"mutants::is\((\d+)\)")
NOT_CONST = re.compile(r"cannot call non-const .* `(?:[\w<>]+::)*(\w+)`")


def copied(work: Path) -> Path:
    """The sources of now, without what git does not keep, and what tests read beside the repository."""
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    (work / "shared").unlink(missing_ok=True)
    (work / "shared").symlink_to(ROOT.parent / "shared")
    return tree


def put_in(
    tree: Path, files: list[str], cargo: str, left_out: dict[str, str], const: set[str]
) -> list[Mutant]:
    """Writes all mutants into the files of the copy."""
    chosen = [word for file in files for word in ("-f", file)]
    text = subprocess.check_output([*shlex.split(cargo), "mutants", "--list", "--json", *chosen], cwd=ROOT)
    listed = json.loads(text)
    mutants: list[Mutant] = []
    for file in files:
        source = Source(file, (ROOT / file).read_bytes(), const)
        for one in (one for one in listed if one["file"] == file):
            mutant = Mutant(one["name"], file, len(mutants) + 1, left_out.get(one["name"], ""))
            source.add(mutant, *listed_change(source, one, mutant.number))
            mutants.append(mutant)
        for name, node, other in source.own():
            mutant = Mutant(name, file, len(mutants) + 1, left_out.get(name, ""))
            source.add(mutant, node, instead(mutant.number, other))
            mutants.append(mutant)
        (tree / file).write_bytes(source.mutated())
    give_names(mutants)
    lib = (ROOT / "fastcore/src/lib.rs").read_text(encoding="utf-8")
    allowed = lib.replace("#![forbid(unsafe_code)]", "#![allow(warnings, clippy::all)]")
    chooser = (Path(__file__).parent / "chosen.rs").read_text(encoding="utf-8")
    (tree / "fastcore/src/lib.rs").write_text(allowed + chooser, encoding="utf-8")
    return mutants


def messages(tree: Path, cargo: str, *arguments: str) -> list[dict[str, Any]]:
    """What cargo has to say, in its own form; that something does not build is a part of it."""
    command = [*shlex.split(cargo), *arguments, "--message-format", "json", "--quiet"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(tree.parent / "built")}
    text = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, check=False, text=True
    ).stdout
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def errors(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What does not build, each with its place."""
    heard = [one["message"] for one in told if one["reason"] == "compiler-message"]
    return [message for message in heard if message["level"] == "error" and message["spans"]]


def mutant_at(tree: Path, span: dict[str, Any]) -> int | None:
    """The number of the mutant whose text stands here: it is the last one that is asked for before."""
    lines = (tree / span["file_name"]).read_text(encoding="utf-8").splitlines()[: span["line_start"]]
    lines[-1] = lines[-1][: span["column_start"] + 40]
    for line in reversed(lines[-40:]):
        if asked := ASKED.findall(line):
            return int(asked[-1])
    return None


def build(tree: Path, files: list[str], cargo: str, packages: list[str]) -> list[Mutant]:
    """Leaves out what does not build, until the rest does."""
    left_out: dict[str, str] = {}
    const: set[str] = set()
    for _ in range(ROUNDS_MAX):
        mutants = put_in(tree, files, cargo, left_out, const)
        told = messages(tree, cargo, "check", *packages, "--lib", "--profile", "tested")
        found = errors(told)
        if not found:
            return mutants
        for error in found:
            span = next(span for span in error["spans"] if span["is_primary"])
            needs = NOT_CONST.search(error["message"])
            if needs and needs[1] != "is":
                const.add(needs[1])
            elif number := mutant_at(tree, span):
                left_out[mutants[number - 1].name] = "does not build"
    raise SystemExit("\n".join(["the copy does not build", *(error["rendered"] for error in found)]))


def programs(tree: Path, cargo: str, packages: list[str]) -> list[tuple[str, str]]:
    """Test programs and where they run."""
    told = messages(tree, cargo, "test", "--profile", "tested", *packages, "--lib", "--tests", "--no-run")
    made = [one for one in told if one["reason"] == "compiler-artifact" and one["profile"]["test"]]
    found = {one["executable"]: str(Path(one["manifest_path"]).parent) for one in made if one["executable"]}
    if not found:
        raise SystemExit("\n".join(["no test was built", *(error["rendered"] for error in errors(told))]))
    return sorted(found.items())
