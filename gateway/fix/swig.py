"""QuickFIX's Python module without its field classes: `from gateway.fix.swig import fix`.

`quickfix.py` is what SWIG wrote and, behind it, a class for each of 6,107 FIX fields. Those take 22 MiB; we
set and read fields by their numbers. They begin where the file imports itself, and nothing in front needs
them. A file without that line is used whole.
"""

from __future__ import annotations

import importlib
import marshal
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import CodeType
from typing import Any

from gateway.fork import apart

NAME = "quickfix"
FIELDS_BEGIN = b"\nimport quickfix\n"


class _SwigHalf(SourceFileLoader):
    """Compiles the file up to the field classes. Not from the compiled file beside it, which has all."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        half, _, _ = self.get_data(path).partition(FIELDS_BEGIN)
        # In a child: compiling leaves holes of 4 MiB.
        made = apart("compile", lambda: marshal.dumps(self.source_to_code(half, path)))
        code: CodeType = marshal.loads(made)
        return code


def load() -> Any:
    """The module; the whole one where somebody imported it before us, for there can be one only."""
    found = find_spec(NAME) if NAME not in sys.modules else None
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return importlib.import_module(NAME)
    spec = spec_from_file_location(NAME, found.origin, loader=_SwigHalf(NAME, found.origin))
    if spec is None or spec.loader is None:
        return importlib.import_module(NAME)
    module = module_from_spec(spec)
    # As the import statement does: one module under this name, and none when it fails.
    sys.modules[NAME] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[NAME]
        raise
    return module


fix = load()
