"""The mutation check of the core: what it changes, where, and what it says about the outcome."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
source: Any = importlib.import_module("tools.mutants.source")
known: Any = importlib.import_module("tools.mutants.known")
build: Any = importlib.import_module("tools.mutants.build")
run: Any = importlib.import_module("tools.mutants.run")
command: Any = importlib.import_module("tools.mutants.__main__")

TEXT = b"""const MOST: i64 = 1 << 9;

impl Line {
    #[inline(1)]
    const fn room(&self, n: i64) -> i64 {
        assert!(n <= 5);
        if n >= 7 && !self.held { n.checked_add(2) } else { round(n, Round::Down) }
    }
}

fn next(s: S) -> S {
    match s {
        S::A if s.old => S::B,
        _ => s,
    }
}

#[cfg(test)]
mod tests {
    fn t() -> i64 { 8 }
}
"""


def read(text: bytes = TEXT) -> Any:
    """The sample as a source."""
    return source.Source("line.rs", text)


def span(text: str) -> dict[str, dict[str, int]]:
    """Where a part of the sample stands, as cargo-mutants says it: lines and columns from 1."""
    at = TEXT.decode().index(text)

    def place(offset: int) -> dict[str, int]:
        before = TEXT.decode()[:offset]
        return {"line": before.count("\n") + 1, "column": offset - before.rfind("\n")}

    return {"start": place(at), "end": place(at + len(text))}


def put_in(genre: str, text: str, replacement: str) -> tuple[Any, str]:
    """One listed mutant, number 7, in the sample: itself, and the text."""
    one = read()
    mutant = source.Mutant("line.rs:1:1: a change", "line.rs", 7)
    listed = {"genre": genre, "span": span(text), "replacement": replacement}
    one.add(mutant, *source.listed_change(one, listed, 7))
    return mutant, " ".join(one.mutated().decode().split())


def test_its_own_changes_are_where_the_code_runs_and_nowhere_else() -> None:
    """Not in constants, attributes, macros or tests; each says its place, its change and its function."""
    assert [name for name, _, _ in read().own()] == [
        "line.rs:7:14: replace >= with > in Line::room",
        "line.rs:7:17: replace 7 with one more in Line::room",
        "line.rs:7:37: replace checked_add with checked_sub in Line::room",
        "line.rs:7:49: replace 2 with one more in Line::room",
        "line.rs:7:70: replace Round::Down with Round::Up in Line::room",
    ]


BODY = "match s {\n        S::A if s.old => S::B,\n        _ => s,\n    }"


@pytest.mark.parametrize(
    ("genre", "text", "replacement", "changed"),
    [
        ("BinaryOperator", "&&", "||", "{ n >= 7 || !self.held } else { n >= 7 && !self.held })"),
        ("UnaryOperator", "!self", "", "&& ( if crate::mutants::is(7) { self.held } else { !self.held })"),
        ("MatchArmGuard", "s.old", "true", "S::A if ( if crate::mutants::is(7) { true } else { s.old })"),
        ("MatchArm", "S::A if s.old => S::B", "", "S::A if !crate::mutants::is(7) && (s.old) => S::B,"),
        ("FnValue", BODY, "S::C", "-> S { if crate::mutants::is(7) { return S::C; } match s"),
    ],
)
def test_a_listed_change_stands_beside_what_it_replaces(
    genre: str, text: str, replacement: str, changed: str
) -> None:
    """Each kind that cargo-mutants lists; only the number 7 chooses the change."""
    assert changed in put_in(genre, text, replacement)[1]


def test_a_function_is_no_longer_const_where_a_choice_stands_in_it() -> None:
    """A choice is made when a test runs; where the compiler needs the function, the mutant is left out."""
    mutant, text = put_in("BinaryOperator", "&&", "||")
    assert mutant.left_out == ""
    assert "#[inline(1)] fn room" in text
    one = source.Source("line.rs", TEXT, {"room"})
    listed = {"genre": "BinaryOperator", "span": span("&&"), "replacement": "||"}
    one.add(mutant, *source.listed_change(one, listed, 7))
    assert (mutant.left_out, one.mutated()) == ("const fn", TEXT)


def test_what_the_compiler_works_out_is_left_out() -> None:
    """No choice of a running test reaches it: it is said, not hidden."""
    mutant, text = put_in("BinaryOperator", "<<", ">>")
    assert mutant.left_out == "worked out by the compiler"
    assert text == " ".join(TEXT.decode().split())


def mutants(*names: str) -> list[Any]:
    """Mutants of these names, with keys."""
    made = [source.Mutant(name, name.split(":")[0]) for name in names]
    known.name(made)
    return made


def test_a_key_is_the_same_when_lines_move() -> None:
    """Equal changes of a file are counted in their order."""
    before = mutants(
        "a.rs:3:1: replace < with <= in f", "a.rs:9:1: replace < with <= in f", "b.rs:1:1: delete ! in f"
    )
    after = mutants(
        "a.rs:4:7: replace < with <= in f", "a.rs:5:1: replace < with <= in f", "b.rs:2:1: delete ! in f"
    )
    keys = ["a.rs: replace < with <= in f", "a.rs: replace < with <= in f #2", "b.rs: delete ! in f"]
    assert [m.key for m in before] == [m.key for m in after] == keys


def test_only_a_survivor_that_the_list_explains_is_no_finding() -> None:
    """A new survivor, one that no test reaches, and a line of the list that is not true any more are."""
    made = mutants(*(f"a.rs:{n}:1: {change}" for n, change in enumerate(["one", "two", "three", "four"])))
    how = dict(zip((m.key for m in made), ["survived", "survived", "not reached", "found"], strict=True))
    listed = known.equivalent(
        '["a.rs"]\none = "why"\nfour = "why"\nfive = "why"\n["b.rs"]\none = "not asked"'
    )
    assert known.wrong(made, how, listed) == [
        "survived: a.rs:1:1: two",
        "not reached: a.rs:2:1: three",
        "listed as equivalent, but found: a.rs: four",
        "listed as equivalent, but no mutant: a.rs: five",
    ]
    assert known.wrong(made[:1], how, known.equivalent('["a.rs"]\none = "why"')) == []


def test_every_line_of_the_list_says_why() -> None:
    """The list of the repository is read as the tool reads it, and no reason is empty."""
    listed = known.equivalent(known.LIST.read_text(encoding="utf-8"))
    assert all(len(why) > 10 for why in listed.values())
    assert all((ROOT / key.split(": ", 1)[0]).is_file() for key in listed)


def test_quick_tests_judge_first_and_slow_ones_alone() -> None:
    """Most mutants are found by the quick ones: they run together, by program."""
    tests = [
        run.Test("p", "", name, seconds) for name, seconds in [("c", 4), ("b", 0.02), ("d", 3), ("a", 0.01)]
    ]
    tests.append(run.Test("q", "", "e", 0.001))
    assert [[test.name for test in group] for group in run.groups(tests)] == [["e"], ["a", "b"], ["d"], ["c"]]


def test_again_judges_only_what_was_not_found(tmp_path: Path) -> None:
    """What was found stays so; a mutant that is not in the build is never judged, and every end is kept."""
    made = mutants("a.rs:1:1: one", "a.rs:2:1: two", "a.rs:3:1: three")
    made[2].left_out = "does not build"
    before = {"a.rs: one": ("found", "a test"), "a.rs: two": ("survived", "")}
    results = command.judged(made, [], tmp_path / "results.json", before)
    assert results == {
        "a.rs: one": ("found", "a test"),
        "a.rs: two": ("not reached", ""),
        "a.rs: three": ("left out", "does not build"),
    }
    assert set(json.loads((tmp_path / "results.json").read_text())) == set(results)


def test_the_list_is_asked_with_the_same_cargo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`nice cargo` is nice from its first call on."""
    asked: list[list[str]] = []

    def check_output(command: list[str], **_: object) -> str:
        asked.append(command)
        return "[]"

    monkeypatch.setattr(build.subprocess, "check_output", check_output)
    (tmp_path / "fastcore" / "src").mkdir(parents=True)
    assert build.put_in(tmp_path, [], "nice -n 5 cargo", {}, set()) == []
    assert asked == [["nice", "-n", "5", "cargo", "mutants", "--list", "--json"]]
