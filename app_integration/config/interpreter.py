"""Interpreter that imports an application's model, in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

#: The variables that the process inherits. All others are removed, because a model needs neither
#: the address of a server nor a token.
KEPT_VARIABLES: Final = frozenset({"HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TZ"})

_MODULE: Final = "app_integration.config.validation"
#: Runs the validation of the SDK that is installed there, of whichever version, with the path of
#: that interpreter. Each version reads the path from the request, so it is written into that.
_LAUNCH: Final = f"""
import io, json, os, sys
from {_MODULE} import main
sys.path[0] = os.getcwd()
request = {{**json.loads(sys.stdin.buffer.readline()), "sys_path": sys.path}}
content = json.dumps(request).encode() + b"\\n" + sys.stdin.buffer.read()
sys.stdin = io.TextIOWrapper(io.BytesIO(content))
main()
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Interpreter that imports an application's model."""

    command: tuple[str, ...]
    variables: Mapping[str, str]
    folder: Path | None = None

    @classmethod
    def own(cls) -> Self:
        """Return the interpreter of this process."""
        variables = {name: os.environ[name] for name in KEPT_VARIABLES & os.environ.keys()}
        return cls((sys.executable, "-m", _MODULE), variables)

    @classmethod
    def of_application(cls, python: Path, folder: Path, variables: Mapping[str, str]) -> Self:
        """Return that of an application, whose SDK may be of another version than this one."""
        return cls((str(python), "-c", _LAUNCH), variables, folder)
