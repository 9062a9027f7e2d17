"""The audit databases: one SQLite file per UTC day, one connection that writes.

Output and the place in the journal are one transaction: a crash anywhere leaves both or neither, so the next
start goes on at the right row, and nothing is lost or doubled. Days are cut by the journal's time, not by the
clock. A bundle that midnight cuts is carried into the new file: the latest file that names it has it whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path
from types import TracebackType

from gateway.audit import fill_table, mirror_table
from gateway.audit.entry import Entry, EntryError, day_of, genesis, pack, unpack
from gateway.audit.tables import BUNDLE_ENTRIES, INSERT, SCHEMA, Rows, index_rows
from gateway.errors import EnvironmentProblem, ExitCode, OperatingError
from gateway.failures import operating

COMMIT_ENTRIES = 4 * BUNDLE_ENTRIES
"""Entries the tail tries to put into one commit. One fsync per entry would be 100 times slower."""

AGAIN = "Move the file away: the next start derives the log again from the journal."


class StoreError(EnvironmentProblem):
    """The audit folder is not usable; the message names the file and what to do."""


def day_files(folder: Path) -> list[Path]:
    """The audit files of a folder, oldest first."""
    return sorted(p for p in folder.glob("audit-????????.db") if p.stem[6:].isdigit())


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection. It never checkpoints: only the writer may touch the WAL."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A reader, closed behind the block. What SQLite cannot read in it is a StoreError with a way out."""
    try:
        with closing(open_reader(path)) as db:
            yield db
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error


def has_decisions(db: sqlite3.Connection) -> bool:
    """Whether the file has its tables. One without is from a crash before its first commit: it is empty."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'decision'").fetchone() is not None


class Store:
    """Writes entries. Open it once; it owns the folder's files while it lives."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.journal = 0
        """Last journal row whose entries are stored."""
        self.size = 0
        """Entries in the log, over all files."""
        self.at_ns = 0
        """Time of the last entry that had one."""
        self.path: Path | None = None
        self._db: sqlite3.Connection | None = None
        self._open_bundle: list[bytes] = []
        self._lock = _lock(folder)
        self._resume()

    def append(self, entries: Sequence[Entry], journal: int) -> int:
        """Stores the entries of all rows up to `journal`, one transaction per day. Returns how many were new.

        Entries of rows that are stored already are dropped: a replay may start a row early, never a row late.
        """
        fresh = [entry for entry in entries if entry.journal > self.journal]
        if self.size == 0 and fresh and fresh[0].kind != "genesis":
            fresh.insert(0, genesis(fresh[0]))
        days = self._by_day(fresh)
        for i, (day, group) in enumerate(days):
            last = i == len(days) - 1
            self._commit(day, group, max(journal, group[-1].journal) if last else group[-1].journal)
        if not days and journal > self.journal and self._db is not None:
            self._move(journal)
        return len(fresh)

    def close(self) -> None:
        """Checkpoints and closes the file."""
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _by_day(self, entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
        """Groups by day; a journal row is never cut, and time never runs back over midnight."""
        at_ns = self.at_ns
        marked: list[tuple[str, Entry]] = []
        for _, row in groupby(entries, key=lambda entry: entry.journal):
            members = list(row)
            at_ns = max(at_ns, next((e.at_ns for e in members if e.at_ns is not None), 0))
            marked += [(day_of(at_ns), entry) for entry in members]
        return [(day, [entry for _, entry in group]) for day, group in groupby(marked, key=lambda m: m[0])]

    def _commit(self, day: str, entries: list[Entry], journal: int) -> None:
        db = self._day(day)
        at_ns = max([self.at_ns, *(e.at_ns for e in entries if e.at_ns is not None)])
        size = self.size + len(entries)
        bundle = self._open_bundle + [entry.data for entry in entries]
        first = self.size // BUNDLE_ENTRIES
        parts = [bundle[i : i + BUNDLE_ENTRIES] for i in range(0, len(bundle), BUNDLE_ENTRIES)]
        with db:
            db.execute("BEGIN IMMEDIATE")
            # In pieces: the rows of a fill to 10,000 followers take 20 MB.
            for at in range(0, len(entries), BUNDLE_ENTRIES):
                _index(db, self.size + at, entries[at : at + BUNDLE_ENTRIES])
            db.executemany(
                "INSERT OR REPLACE INTO entries VALUES(?,?,?)",
                [(first + i, len(part), pack(part)) for i, part in enumerate(parts)],
            )
            db.execute("INSERT OR REPLACE INTO place VALUES(1,?,?,?)", (journal, size, at_ns))
        # A crash before this line loses nothing: the next start reads the place that was just written.
        self.journal, self.size, self.at_ns = journal, size, at_ns
        self._open_bundle = parts[-1] if len(parts[-1]) < BUNDLE_ENTRIES else []

    def _move(self, journal: int) -> None:
        """Rows without entries only move the place."""
        assert self._db is not None
        with self._db:
            self._db.execute("UPDATE place SET journal = ?", (journal,))
        self.journal = journal

    def _day(self, day: str) -> sqlite3.Connection:
        """The connection to the file of `day`; seals the file before it."""
        path = self.folder / f"audit-{day}.db"
        if self._db is not None and self.path == path:
            return self._db
        before = self.path if self.path is not None and self.path != path else None
        if self._db is not None:
            self._db.close()
        digest = _seal(before) if before is not None else None
        self._db = _open_writer(path, before, digest)
        self.path = path
        return self._db

    def _resume(self) -> None:
        """Finds the last place. A file without one is from a crash before its first commit: it is empty."""
        for path in reversed(day_files(self.folder)):
            place = _place(path)
            if place is None:
                continue
            self.path = path
            self.journal, self.size, self.at_ns = place
            width = self.size % BUNDLE_ENTRIES
            if width:
                self._open_bundle = _bundle(path, self.size // BUNDLE_ENTRIES)
                if len(self._open_bundle) != width:
                    raise _damaged(
                        path, f"its place says {self.size} entries, so its last bundle should have {width}"
                    )
            return


def _index(db: sqlite3.Connection, first: int, entries: list[Entry]) -> None:
    rows: Rows = {name: [] for name in INSERT}
    for number, entry in enumerate(entries, first):
        index_rows(number, entry, rows)
    for name, values in rows.items():
        db.executemany(INSERT[name], values)


def _lock(folder: Path) -> int:
    """One writer per folder. The lock goes with the process, whatever ends it."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreError(f"{folder}: another audit process writes here; stop it first") from error
    return handle


def _open_writer(path: Path, before: Path | None, digest: str | None) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'place'").fetchone() is None:
            db.executescript(f"BEGIN;{SCHEMA}COMMIT;")
        # Beside the check above: a day that an older version began has no such tables.
        db.executescript(f"BEGIN;{mirror_table.SCHEMA}COMMIT;")
        fill_table.prepare(db)
        if before is not None and digest is not None:
            db.execute("INSERT OR REPLACE INTO sealed VALUES(?,?)", (before.name, digest))
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    return db


def _unreadable(path: Path, error: sqlite3.Error) -> OperatingError:
    """As any failure of SQLite, but for a damaged file: here the journal has everything that is in it."""
    problem = operating(error)
    if problem.exit_code == ExitCode.STATE:
        return _damaged(path, str(error))
    return StoreError(str(error), path=str(path), hint=problem.hint, exit_code=problem.exit_code)


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(why, path=str(path), hint=AGAIN, exit_code=ExitCode.STATE)


def _seal(path: Path) -> str:
    """Makes a finished day one plain file that nobody writes, and returns its SHA-256."""
    path.chmod(0o644)
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = DELETE")
    finally:
        db.close()
    path.chmod(0o444)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(path: Path) -> tuple[int, int, int] | None:
    with reading(path) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'place'").fetchone() is None:
            return None
        row = db.execute("SELECT journal, size, at_ns FROM place").fetchone()
    return None if row is None else (row[0], row[1], row[2])


def _bundle(path: Path, number: int) -> list[bytes]:
    with reading(path) as db:
        row = db.execute("SELECT data FROM entries WHERE n = ?", (number,)).fetchone()
    return [] if row is None else list(unpack(row[0]))


def read_entry(path: Path, number: int) -> bytes:
    """One entry that the narrow tables of this file name. Raises EntryError when its bundle is cut."""
    bundle = _bundle(path, number // BUNDLE_ENTRIES)
    if number % BUNDLE_ENTRIES >= len(bundle):
        raise EntryError(f"{path}: entry {number} is missing")
    return bundle[number % BUNDLE_ENTRIES]


def read_kind(db: sqlite3.Connection, kind: str) -> Iterator[bytes]:
    """The entries of one kind that the narrow tables of a file name, in order.

    Raises EntryError when a bundle is cut.
    """
    ids = [row[0] for row in db.execute("SELECT id FROM entry WHERE kind = ? ORDER BY id", (kind,))]
    for n, members in groupby(ids, key=lambda number: number // BUNDLE_ENTRIES):
        row = db.execute("SELECT data FROM entries WHERE n = ?", (n,)).fetchone()
        bundle = [] if row is None else list(unpack(row[0]))
        for number in members:
            if number % BUNDLE_ENTRIES >= len(bundle):
                raise EntryError(f"entry {number} is missing")
            yield bundle[number % BUNDLE_ENTRIES]


def read_entries(folder: Path) -> Iterator[tuple[int, bytes]]:
    """Every entry with its number, in order, over all files.

    Raises EntryError when a bundle is missing: a gap is never passed over.
    """
    number = 0
    for path in day_files(folder):
        if _place(path) is None:
            continue
        with reading(path) as db:
            for n, data in db.execute("SELECT n, data FROM entries ORDER BY n"):
                first = n * BUNDLE_ENTRIES
                if first > number:
                    raise EntryError(f"{path}: entries {number} to {first - 1} are missing")
                for i, entry in enumerate(unpack(data), first):
                    if i >= number:
                        yield i, entry
                        number = i + 1
