"""Names of jobs on the server: only a deployment's own one is printed or rendered."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any, Final

import pytest
import typer

from console import cli
from tests.support.packages import PRODUCT

ROOT: Final = Path(__file__).parents[3]
#: The names under the default id, which :mod:`vault.declare.server_names` makes a deployment's own.
LITERAL: Final = re.compile(r"strongroom-(?:plan|apply|rotator|auditor|fingerprint)\b")
#: Where the names are, and descriptions with an example of an entry.
SOURCES: Final = {"vault/declare/server_names.py", "vault/declare/schema/model.py"}


def strings(value: object) -> Iterator[str]:
    """Yield the strings among the constants of compiled code."""
    if isinstance(value, CodeType):
        value = value.co_consts
    if isinstance(value, tuple | frozenset):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def compiled(file: Path) -> CodeType:
    """Return the code of a module without its docstrings.

    No tree of it is built: CPython counts the depth of all trees of a process together, and fails
    if a finaliser or another thread builds one meanwhile, as the rendering of a traceback does.
    """
    code: CodeType = compile(file.read_text(), file, "exec", optimize=2)
    return code


@pytest.mark.parametrize("floor", PRODUCT)
def test_no_text_has_the_name_of_a_job_under_the_default_id(floor: str) -> None:
    found = {
        str(file.relative_to(ROOT))
        for file in (ROOT / floor).rglob("*.py")
        if any(LITERAL.search(text) for text in strings(compiled(file)))
    }
    templates = (*(ROOT / floor).rglob("*.j2"), *(ROOT / floor).rglob("*.yaml"))
    found |= {str(file.relative_to(ROOT)) for file in templates if LITERAL.search(file.read_text())}
    assert found <= SOURCES


def helps(command: Any) -> Iterator[str]:
    """Yield the help of *command* and of all below it."""
    yield inspect.cleandoc(command.help or "")
    for child in getattr(command, "commands", {}).values():
        yield from helps(child)


def test_no_help_has_the_name_of_a_job_under_the_default_id() -> None:
    assert [text for text in helps(typer.main.get_command(cli.app)) if LITERAL.search(text)] == []
