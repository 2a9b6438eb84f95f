"""Text of ``.env`` files that python-dotenv 1.2.3 or newer parses to exactly the same values."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from dotenv.parser import parse_stream
from dotenv.variables import Variable as Reference
from dotenv.variables import parse_variables

from app_integration.secret import Secret
from vault.dotenv.classify import Kind, classify
from vault.dotenv.parse import DotenvFile, Statement

#: First line of an export, which marks the file as one that a later export may overwrite.
EXPORT_HEAD: Final = (
    "# Written by strongroom export-env; it holds secrets, so delete it after use.\n"
)
#: The backslash must be first, otherwise the other replacements would be escaped again.
_ESCAPES: Final = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"))
#: Replacement of a ``${`` that python-dotenv would expand: a reference to an empty name, which no
#: environment can contain, with ``$`` as its default, followed by the brace.
_PLAIN_REFERENCE: Final = "${:-$}{"
#: Minimum length of a value that is searched in comments, because a "1" occurs in too many.
_MIN_LENGTH: Final = 4


def assignment(name: str, value: str) -> str:
    """Return a line that sets *name* to *value* for a parser that expands ``${…}``."""
    plain = value.reveal() if isinstance(value, Secret) else value
    if any(isinstance(atom, Reference) for atom in parse_variables(plain)):
        plain = plain.replace("${", _PLAIN_REFERENCE)
    for character, escaped in _ESCAPES:
        plain = plain.replace(character, escaped)
    return f'{name}="{plain}"\n'


def remove_secrets(
    file: DotenvFile,
    secrets: Collection[str],
    parts: Collection[str] = (),
    local: Mapping[str, str] | None = None,
) -> str:
    """Return the text of *file* without the variables in *secrets* and comments with secrets.

    A comment is removed if it sets a variable that may be a secret, or contains a secret's value,
    and so is the head of an export. The variables *parts* are removed, too; *local* has new values.
    """
    local = local or {}
    values = [file.variables[name].value.reveal() for name in secrets]
    kept = [
        assignment(statement.name, local[statement.name])
        if statement.name and statement.name in local
        else statement.text
        for statement in file.statements
        if statement.name not in {*secrets, *parts}
        and statement.text.strip() != EXPORT_HEAD.strip()
        and not _may_contain_secret(statement, values)
    ]
    text = "".join(kept)
    return text.replace("\n", "\r\n") if b"\r\n" in file.content else text


def secret_comments(file: DotenvFile, secrets: Collection[str]) -> Iterator[int]:
    """Return the lines of the comments that :func:`remove_secrets` removes."""
    values = [file.variables[name].value.reveal() for name in secrets]
    return (each.line for each in file.statements if _may_contain_secret(each, values))


def _may_contain_secret(statement: Statement, values: Iterable[str]) -> bool:
    """Return whether *statement* is a comment that may contain one of *values* or a secret."""
    if statement.name is not None or not statement.text.strip():
        return False
    text = statement.text.strip().lstrip("#")
    if any(value in text for value in values if len(value) >= _MIN_LENGTH):
        return True
    if classify("COMMENT", text).kind is Kind.SECRET:
        return True
    return any(
        classify(each.key, each.value).kind is not Kind.SETTING
        for each in parse_stream(io.StringIO(text))
        if each.key and each.value
    )
