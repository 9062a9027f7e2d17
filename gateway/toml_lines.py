"""Maps the keys of a TOML file to their lines, so that a message can say where.

The standard reader keeps no positions. This index follows only what positions need: headers, keys, and
where values end. It is used on text that the standard reader has accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Key = str | int
Path = tuple[Key, ...]
_KEY_END = re.compile(r"[.=\]\"']")
_VALUE_MARK = re.compile(r"[\"'#\[\]{}\n]")
_STRING_MARK = re.compile(r"[\"'\\]")
_LINE_END = re.compile(r"\n|\Z")


class LineIndex:
    """Line of every header and every `key =` of a TOML text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        self._counts: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._prefix: Path = ()
        while self._at < len(text):
            self._statement()

    def line(self, path: Iterable[Key]) -> int:
        """Line of the path, or of the nearest thing that encloses it."""
        rest = tuple(path)
        while rest not in self._lines:
            rest = rest[:-1]
        return self._lines[rest]

    def _statement(self) -> None:
        char = self._text[self._at]
        if char in " \t\r\n":
            self._step()
        elif char == "#":
            self._skip_comment()
        elif char == "[":
            self._header()
        else:
            line = self._line
            path = self._prefix + self._keys("=")
            self._note(path, line)
            self._skip_value()

    def _header(self) -> None:
        line = self._line
        table_of_array = self._text.startswith("[[", self._at)
        self._step(2 if table_of_array else 1)
        path = self._resolve(self._keys("]"))
        if table_of_array:
            self._step()
            number = self._counts.get(path, 0)
            self._counts[path] = number + 1
            self._note(path, line)
            path = (*path, number)
        self._prefix = path
        self._note(path, line)

    def _resolve(self, keys: Path) -> Path:
        """`[a.b]` after `[[a]]` means b of the latest a."""
        path: Path = ()
        for number, key in enumerate(keys):
            path = (*path, key)
            if number < len(keys) - 1 and path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _note(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _keys(self, end: str) -> Path:
        """Reads a dotted key up to and including `end`."""
        keys: list[Key] = []
        word = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in "\"'":
                word = self._string()
            elif char in (".", end):
                self._step()
                keys.append(word)
                word = ""
                if char == end:
                    break
            else:
                start = self._at
                self._jump(_KEY_END)
                word += self._text[start : self._at].strip(" \t")
        return tuple(keys)

    def _skip_value(self) -> None:
        """Skips to the end of the line that ends the value."""
        depth = 0
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in "\"'":
                self._string()
                continue
            if char == "#":
                self._skip_comment()
                continue
            if char == "\n" and depth == 0:
                self._step()
                return
            depth += 1 if char in "[{" else -1 if char in "]}" else 0
            self._step()
            self._jump(_VALUE_MARK)

    def _string(self) -> str:
        """Skips a string of any of the four kinds and returns what stands between its quotes."""
        quote = self._text[self._at]
        mark = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._step(len(mark))
        start = self._at
        while self._at < len(self._text) and not self._text.startswith(mark, self._at):
            escaped = quote == '"' and self._text[self._at] == "\\"
            self._step(2 if escaped else 1)
            self._jump(_STRING_MARK)
        # A long string may end in up to two more quotes than its mark: they belong to it.
        while len(mark) == 3 and self._text.startswith(mark, self._at + 1):
            self._step()
        inside = self._text[start : self._at]
        self._step(len(mark))
        return inside

    def _skip_comment(self) -> None:
        self._jump(_LINE_END)

    def _step(self, count: int = 1) -> None:
        self._move(min(self._at + count, len(self._text)))

    def _jump(self, pattern: re.Pattern[str]) -> None:
        """Goes on to the next mark, if it does not stand on one."""
        found = pattern.search(self._text, self._at)
        self._move(len(self._text) if found is None else found.start())

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to


def dotted(path: Iterable[Key]) -> str:
    """A path as people write it: `subscriptions[0].sizing.k`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if text else key
    return text
