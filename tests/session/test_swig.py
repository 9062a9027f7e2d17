"""QuickFIX's module as we load it: what SWIG wrote, and no class for each field."""

from __future__ import annotations

import subprocess
import sys

from gateway import resources


def said(program: str) -> str:
    """What a line of Python prints in a process of its own."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=resources.root(), capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_what_swig_wrote_is_there_and_the_field_classes_are_not() -> None:
    """22 MiB of classes that nobody uses; engine, application and simulator use the same module."""
    program = (
        "import gateway.fix.engine, gateway.sim.fix_server, quickfix; "
        "from gateway.fix.swig import fix; fix.Message().setField(58, 'x'); "
        "print(fix is quickfix, hasattr(fix, 'SocketAcceptor'), hasattr(fix, 'BeginSeqNo'))"
    )
    assert said(program) == "True True False"


def test_a_module_that_is_loaded_already_is_used_as_it_is() -> None:
    """Two copies would register the same C++ types twice."""
    program = (
        "import quickfix; from gateway.fix.swig import fix; "
        "print(fix is quickfix, hasattr(fix, 'BeginSeqNo'))"
    )
    assert said(program) == "True True"
