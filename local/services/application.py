"""Application of a service: its folder, and the interpreter that reads its config."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Final

from agent.supervisor.interpreter import CHECK_TIMEOUT, EXTRA, parse_missing, write_check
from app_integration.errors import ConfigurationError
from vault.declare.schema.model import DEFAULT_PYTHON

#: Extra of the SDK with which users are leased → its modules.
_MODULES: Final = {"database": ("sqlalchemy", "psycopg"), "redis": ("redis",)}
#: Files with the requirements of an application.
_REQUIRING: Final = ("pyproject.toml", "requirements*.txt", "Pipfile", "base.txt")
#: A line of one that requires a framework.
_PACKAGE: Final = re.compile(
    r"""(?i)[\s"']*(django|celery|pydantic-settings)(?=[\s"'\[=<>~!;,]|$)"""
)
#: What a command that declares a service says about the SDK.
SDK_HINT: Final = (
    "In the application's folder, for its requirements: strongroom sdk-wheel --out vendor/ (see "
    "docs/Installing.md)"
)


def find_frameworks(folder: Path) -> frozenset[str]:
    """Return the frameworks that the application in *folder* requires, by its own files."""
    files = chain(*(folder.glob(f"{below}{name}") for below in ("", "*/") for name in _REQUIRING))
    lines = (
        line for file in files for line in file.read_bytes().decode(errors="replace").split("\n")
    )
    found = (_PACKAGE.match(line) for line in lines)
    return frozenset(each[1].lower() for each in found if each)


def interpreter(folder: Path) -> Path:
    """Return the interpreter of the application in *folder*, if none is declared."""
    return Path(os.path.normpath(folder.absolute())) / DEFAULT_PYTHON


def lacks_extra(python: Path, extra: str) -> bool:
    """Return whether *python* lacks modules of an extra of the SDK; False if it cannot be run."""
    code = f"from importlib.util import find_spec; assert all(map(find_spec, {_MODULES[extra]}))"
    try:
        return _run(python, code, None).returncode != 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def check_application(folder: Path) -> None:
    """Check that the application in *folder* can check and read a config file."""
    remedy = "pass another folder with --config; nothing was changed"
    _check(interpreter(folder), folder, {"config": EXTRA}, remedy)


def check_delivery(python: Path, folder: Path, file: str) -> None:
    """Check that an application can deliver its config with secrets of AWS."""
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder; create it, or correct {file}")
    extras = {"config": EXTRA, "aws": ("boto3",)}
    _check(python, folder, extras, f"correct config.python in {file}")


def _check(python: Path, folder: Path, extras: Mapping[str, tuple[str, ...]], remedy: str) -> None:
    """Check that *python* has the SDK and *extras* of it, which have modules."""
    install = f"install strongroom-sdk[{','.join(extras)}] there, or {remedy}"
    try:
        done = _run(python, write_check([*chain.from_iterable(extras.values())]), folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no answer in {CHECK_TIMEOUT} s"
        raise ConfigurationError(
            f"{python} cannot be used: {reason}; make the virtual environment and {install}"
        ) from None
    if missing := parse_missing(done.returncode, done.stdout):
        raise ConfigurationError(f"{python} cannot import {missing}; {install}")


def _run(python: Path, code: str, folder: Path | None) -> subprocess.CompletedProcess[bytes]:
    """Run *code* in *folder* with the interpreter *python*, without this process's variables."""
    return subprocess.run(
        [python, "-c", code],
        cwd=folder,
        env={"LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=CHECK_TIMEOUT,
        check=False,
    )
