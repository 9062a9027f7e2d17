"""Rust sources with all of their mutants in them, each behind `crate::mutants::is(N)`.

What is mutated: what `cargo mutants --list` names, and what it does not: calls that stand for operators where
arithmetic is checked, the edges of comparisons, roundings, and whole numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))

COMPILED = {"const_item", "static_item", "const_block", "array_type", "enum_variant"}
"""What the compiler works out: no mutant can be chosen there when a test runs."""
CALLS = {
    "saturating_add": "saturating_sub",
    "wrapping_add": "wrapping_sub",
    "checked_add": "checked_sub",
    "min": "max",
    "is_some": "is_none",
    "any": "all",
    "is_some_and": "is_none_or",
}
CALLS |= {after: before for before, after in CALLS.items()}
ROUNDS = {"HalfEven": "Down", "Down": "Up", "Up": "Down", "Ceil": "Floor", "Floor": "Ceil"}
EDGES = {"<=": "<", ">=": ">"}
NUMBERS = {
    "arguments",
    "binary_expression",
    "block",
    "field_initializer",
    "if_expression",
    "index_expression",
    "let_declaration",
    "match_arm",
    "return_expression",
    "tuple_expression",
}
"""Where a whole number is an expression that can be another one."""

Change = Callable[[bytes], bytes]
Key = tuple[int, int, str]


@dataclass
class Mutant:
    """One change of one file."""

    name: str
    file: str
    number: int = 0
    left_out: str = ""
    """Why it is not in the build."""
    key: str = ""
    """Its name without the place: the same when lines move."""


@dataclass
class Source:
    """A file, its tree, and what is changed at which node."""

    file: str
    text: bytes
    const: set[str] = field(default_factory=set)
    """Functions that have to stay `const`."""
    changes: dict[Key, list[Change]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.root: Any = PARSER.parse(self.text).root_node
        if self.root.has_error:
            raise ValueError(f"{self.file} is not read as Rust")
        self.starts = list(accumulate((len(line) for line in self.text.splitlines(keepends=True)), initial=0))

    def of(self, node: Any) -> str:
        """The node's text as it is written."""
        return self.text[node.start_byte : node.end_byte].decode()

    def offset(self, place: dict[str, int]) -> int:
        """Bytes before a place that is given by line and column, as characters from 1."""
        start = self.starts[place["line"] - 1]
        line = self.text[start:].split(b"\n", 1)[0].decode()
        return start + len(line[: place["column"] - 1].encode())

    def place(self, node: Any) -> str:
        """The other way round, as text."""
        line = bisect_right(self.starts, node.start_byte)
        column = len(self.text[self.starts[line - 1] : node.start_byte].decode()) + 1
        return f"{self.file}:{line}:{column}"

    def function(self, node: Any) -> str:
        """The function around a node, with its type."""
        function, of = above(node, {"function_item"}), above(node, {"impl_item"})
        name = self.of(function.child_by_field_name("name"))
        return f"{self.of(of.child_by_field_name('type'))}::{name}" if of is not None else name

    def mutated(self) -> bytes:
        """The text with all that was added."""
        return self._render(self.root)

    def _render(self, node: Any) -> bytes:
        parts, at = [], node.start_byte
        for child in node.children:
            parts += [self.text[at : child.start_byte], self._render(child)]
            at = child.end_byte
        text = b"".join([*parts, self.text[at : node.end_byte]])
        for change in self.changes.get(key(node), []):
            text = change(text)
        return text

    def add(self, mutant: Mutant, node: Any, change: Change) -> None:
        """Puts a mutant in, or says why it cannot be."""
        if node is None:
            mutant.left_out = "no expression that a choice can stand for"
        elif above(node, COMPILED) is not None:
            mutant.left_out = "worked out by the compiler"
        elif not mutant.left_out and self._may_run(mutant, node):
            self.changes[key(node)].append(change)

    def _may_run(self, mutant: Mutant, node: Any) -> bool:
        """A choice made when a test runs takes the `const` off its function, unless something needs that."""
        function = above(node, {"function_item"})
        modifiers = [child for child in function.children if child.type == "function_modifiers"]
        const = [word for child in modifiers for word in child.children if word.type == "const"]
        if const and self.of(function.child_by_field_name("name")) in self.const:
            mutant.left_out = "const fn"
            return False
        self.changes.update({key(word): [lambda _: b""] for word in const})
        return True

    def own(self) -> Iterator[tuple[str, Any, str]]:
        """Changes that cargo-mutants does not make: the name, the node, and what is there instead."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            if node.type in COMPILED or (node.type == "mod_item" and node.child_by_field_name("body")):
                continue
            found = own_change(self, node)
            if found and above(node, {"function_item"}) is not None:
                at, what, instead = found
                yield f"{self.place(at)}: {what} in {self.function(node)}", node, instead
            waiting += reversed(inner(node))


def key(node: Any) -> Key:
    """A node, by its place."""
    return node.start_byte, node.end_byte, node.type


def above(node: Any, kinds: set[str]) -> Any:
    """The nearest node of these kinds around it, itself too."""
    while node is not None and node.type not in kinds:
        node = node.parent
    return node


def inner(node: Any) -> list[Any]:
    """What of a node may hold expressions: patterns, types and signatures do not."""
    if node.type == "function_item":
        return [node.child_by_field_name("body")]
    if node.type == "match_pattern":
        return list(node.children[1:])
    return [child for child in node.children if child != node.child_by_field_name("type")]


def own_change(source: Source, node: Any) -> tuple[Any, str, str] | None:
    """The change of one node: where its name points, what it is, and the text that takes its place."""
    text = source.of(node)
    if node.type == "call_expression":
        name = node.child_by_field_name("function").child_by_field_name("field")
        was = source.of(name) if name else ""
        if was in CALLS:
            before = source.text[node.start_byte : name.start_byte].decode()
            after = source.text[name.end_byte : node.end_byte].decode()
            return name, f"replace {was} with {CALLS[was]}", before + CALLS[was] + after
    elif node.type == "binary_expression":
        sign = node.child_by_field_name("operator")
        was = source.of(sign)
        if was in EDGES:
            return sign, f"replace {was} with {EDGES[was]}", operation(source, node, EDGES[was])
    elif node.type == "scoped_identifier" and node.parent.type == "arguments":
        was = text.removeprefix("Round::")
        if was != text and was in ROUNDS:
            return node, f"replace {text} with Round::{ROUNDS[was]}", f"Round::{ROUNDS[was]}"
    elif node.type == "integer_literal" and node.parent.type in NUMBERS:
        return node, f"replace {text} with one more", f"{text} + 1"
    return None


def operation(source: Source, node: Any, sign: str) -> str:
    """The same operation with another sign."""
    left, right = (source.of(node.child_by_field_name(side)) for side in ("left", "right"))
    return f"{left} {sign} {right}"


def instead(number: int, other: str) -> Change:
    """An expression that is another one in one mutant."""
    return lambda text: b"(\nif crate::mutants::is(%d) { %b } else { %b })" % (number, other.encode(), text)


def listed_change(source: Source, listed: dict[str, Any], number: int) -> tuple[Any, Change]:
    """Node and change of a mutant that cargo-mutants names; no node where there is none."""
    start, end = (source.offset(listed["span"][side]) for side in ("start", "end"))
    new = listed["replacement"]
    # What of an arm is listed goes up to the next arm.
    node = source.root.descendant_for_byte_range(start, start + 1 if listed["genre"] == "MatchArm" else end)
    match listed["genre"]:
        case "FnValue":
            while node.parent.type != "function_item":
                node = above(node.parent, {"block"})
            first = b"{\nif crate::mutants::is(%d) { return %b; }\n" % (number, new.encode())
            return node, lambda text: first + text[1:]
        case "BinaryOperator":
            node = above(node, {"binary_expression", "compound_assignment_expr"})
            if node is None or node.child_by_field_name("operator").start_byte != start:
                return None, bytes
            return node, instead(number, operation(source, node, new))
        case "UnaryOperator":
            node = above(node, {"unary_expression"})
            return node, instead(number, source.of(node)[1:])
        case "MatchArmGuard":
            while node.parent.type != "match_pattern":
                node = node.parent
            return node, instead(number, new)
        case "MatchArm":
            return above(node, {"match_arm"}).child_by_field_name("pattern"), without_arm(number)
    return None, bytes


def without_arm(number: int) -> Change:
    """A match arm that never applies."""

    def change(text: bytes) -> bytes:
        pattern, _, guard = text.partition(b" if ")
        rest = b" && (%b)" % guard if guard else b""
        return b"%b\nif !crate::mutants::is(%d)%b" % (pattern, number, rest)

    return change
