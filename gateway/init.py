"""`copygate init`: writes a commented deployment to start from."""

from __future__ import annotations

from pathlib import Path

from gateway import resources
from gateway.errors import EnvironmentProblem

FILE_NAME = "gateway.toml"


def write_start(folder: Path) -> Path:
    """Writes the starting deployment into the folder and returns its path; never replaces a file.

    Raises `EnvironmentProblem` when the file exists or the folder cannot be written.
    """
    target = folder / FILE_NAME
    text = (resources.sessions() / "start" / FILE_NAME).read_text("utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        hint = "Choose another folder, or move the file away."
        raise EnvironmentProblem("the file exists already", path=str(target), hint=hint) from error
    except OSError as error:
        hint = "Choose a folder that you may write to."
        raise EnvironmentProblem(
            f"cannot be written: {error.strerror}", path=str(folder), hint=hint
        ) from error
    return target
