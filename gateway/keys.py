"""CURVE key files: one file for the public key, one for the secret key, Z85 text on one line."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gateway.config_types import NAME_PATTERN
from gateway.errors import EnvironmentProblem, UsageError

KEY_CHARS = 40
"""A CURVE key is 32 bytes, which is 40 characters of Z85 (ZeroMQ RFC 32)."""
_Z85 = re.compile(rb"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z")


def write_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Makes NAME.public (0644) and NAME.secret (0600) in the folder; existing files are never replaced.

    Raises `UsageError` for a name that cannot be used, `EnvironmentProblem` when a file exists or the
    folder cannot be written.
    """
    if not re.match(NAME_PATTERN, name):
        raise UsageError(
            "the name cannot be used", path="keys", value=name, hint="Use letters, digits, - and _."
        )
    import zmq

    public, secret = zmq.curve_keypair()
    paths = (folder / f"{name}.public", folder / f"{name}.secret")
    for path in paths:
        if path.exists():
            hint = "Remove it first, if nothing uses it any more."
            raise EnvironmentProblem("the key file exists already", path=str(path), hint=hint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, key, mode in zip(paths, (public, secret), (0o644, 0o600), strict=True):
            # The mode is set when the file is made, so the secret is never readable by others.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(key + b"\n")
    except OSError as error:
        raise EnvironmentProblem(
            "the key file cannot be written", path=str(folder), hint=str(error)
        ) from error
    return paths


def read_key(path: Path) -> bytes:
    """The key in a file, 40 bytes of Z85 text.

    Raises `EnvironmentProblem` when the file cannot be read or holds something else.
    """
    try:
        with path.open("rb") as file:
            key = file.read(KEY_CHARS + 2).strip()
    except OSError as error:
        hint = "Make it with `copygate keys DIR NAME`."
        raise EnvironmentProblem(
            f"the key file cannot be read: {error.strerror}", path=str(path), hint=hint
        ) from error
    if not _Z85.match(key):
        hint = "Make it with `copygate keys DIR NAME`."
        raise EnvironmentProblem(
            "not a CURVE key", path=str(path), bound=f"{KEY_CHARS} characters of Z85", hint=hint
        )
    return key
