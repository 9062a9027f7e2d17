"""`copygate` with the steps of `steps.py` in it: `python -m tests.fault.gateway run CONFIG`."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

CORE = "COPYGATE_FAULT_CORE"
"""Environment variable: another build of the core, in place of the installed one."""
WITHOUT = "COPYGATE_FAULT_WITHOUT"
"""Environment variable: the rule that is left out."""


def use_core(path: Path) -> None:
    """Loads this build of `gateway._fastcore` before anybody asks for the installed one."""
    spec = importlib.util.spec_from_file_location("gateway._fastcore", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no core at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gateway._fastcore"] = module
    spec.loader.exec_module(module)


def main() -> None:
    """Puts in what the environment asks for, then runs the command as it is."""
    if (other := os.environ.get(CORE)) is not None:
        use_core(Path(other))
    from tests.fault import without
    from tests.fault.page import Page
    from tests.fault.steps import install

    without.leave_out(os.environ.get(WITHOUT, ""))
    if (page := Page.of_environment()) is not None:
        install(page)
    from gateway.cli import main as copygate

    copygate()


if __name__ == "__main__":
    main()
