"""Text of ``.env`` files that python-dotenv 1.2.3 or newer reads back byte for byte."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from dotenv.parser import parse_stream
from dotenv.variables import Variable as Reference
from dotenv.variables import parse_variables

from app_integration.secret import Secret
from vault.dotenv.classify import Kind, classify
from vault.dotenv.parse import DotenvFile, Statement

#: In this order: what replaces must not be replaced again.
_ESCAPES: Final = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"))
#: Stands for ``${`` where python-dotenv would expand it: a variable without a name, which no
#: environment can hold, with ``$`` as its default; then the brace.
_PLAIN_REFERENCE: Final = "${:-$}{"
#: Characters of a value that is looked for in comments: "1" is in too many.
_SHORTEST: Final = 4


def assignment(name: str, value: str) -> str:
    """One line that sets *name* to *value* for a reader that expands ``${…}``, as by default."""
    plain = value.reveal() if isinstance(value, Secret) else value
    if any(isinstance(atom, Reference) for atom in parse_variables(plain)):
        plain = plain.replace("${", _PLAIN_REFERENCE)
    for character, escaped in _ESCAPES:
        plain = plain.replace(character, escaped)
    return f'{name}="{plain}"\n'


def setting_text(value: str | int | bool) -> str:
    """A declared setting's *value* as a variable holds it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def without(file: DotenvFile, secrets: Collection[str]) -> str:
    """*file* as it stands, less the variables *secrets* and the comments that hold a secret.

    A comment goes when it sets a variable that may be a secret, or repeats one of the values.
    """
    values = [file.variables[name].value.reveal() for name in secrets]
    kept = [
        statement.text
        for statement in file.statements
        if statement.name not in secrets and not _tells(statement, values)
    ]
    text = "".join(kept)
    return text.replace("\n", "\r\n") if b"\r\n" in file.content else text


def telling_comments(file: DotenvFile, secrets: Collection[str]) -> Iterator[int]:
    """Lines of the comments that :func:`without` leaves out."""
    values = [file.variables[name].value.reveal() for name in secrets]
    return (each.line for each in file.statements if _tells(each, values))


def _tells(statement: Statement, values: Iterable[str]) -> bool:
    """Whether *statement* is a comment that may hold a secret, one of *values* or another."""
    if statement.name is not None or not statement.text.strip():
        return False
    text = statement.text.strip().lstrip("#")
    if any(value in text for value in values if len(value) >= _SHORTEST):
        return True
    if classify("COMMENT", text).kind is Kind.SECRET:
        return True
    return any(
        classify(each.key, each.value).kind is not Kind.SETTING
        for each in parse_stream(io.StringIO(text))
        if each.key and each.value
    )
