"""Names of variables in a ``.env`` file, and those of the secrets and settings that they become.

A secret has one variable: ``API_KEY`` for ``api-key``. A file may have it in another form, such as
``apiKey``. Errors never contain a name that may be part of a value, because the second line of a
key that is not in quotes looks like a variable.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from app_integration import names
from app_integration.errors import InvalidName
from vault.declare.errors import FileError
from vault.dotenv.parse import DotenvFile, InvalidDotenv, Variable

_CAMEL_CASE: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[a-z]\d)(?=[A-Z])")
#: Text too long for a word of a name: a line of a key.
_KEY_TEXT: Final = re.compile(r"[A-Za-z0-9]{32,}")
_INVALID: Final = (
    "the name of the variable must be letters, digits and '_', beginning with a letter; rename it, "
    "or pass --skip with its name"
)


def secret_name(variable: str) -> str:
    """Return the secret or setting for a variable in any form: ``api-key`` for ``apiKey``."""
    try:
        plain = names.secret_name(variable)
    except InvalidName:
        raise InvalidName("a name is not that of an environment variable") from None
    if names.variable_name(plain) == variable:
        return plain
    if _KEY_TEXT.search(variable):
        raise InvalidName("a name looks like part of a key")
    found = names.secret_name(_CAMEL_CASE.sub("_", variable))
    if found[0].isdigit():  # as of _2FA, whose secret no variable would have
        raise InvalidName("a name begins with a digit")
    return found


def find_secret_name(variable: str) -> str | None:
    """Return the secret or setting for a variable, or None if it has no such name."""
    try:
        return secret_name(variable)
    except InvalidName:
        return None


def find_variable(file: DotenvFile, secret: str) -> Variable | None:
    """Return the variable of *file* that has the value of *secret*, or None if there is none."""
    found = (each for each in file.variables.values() if find_secret_name(each.name) == secret)
    return next(found, None)


def declared_form(variable: str) -> str:
    """Return *variable* as the declaration names it: ``API_KEY`` for ``apiKey``."""
    return names.variable_name(secret_name(variable))


def check_names(file: DotenvFile, skipped: Collection[str]) -> None:
    """Check that each variable has a name, and that no two become the same secret or setting."""
    forms: dict[str, str] = {}
    faults: list[FileError] = []
    for name in file.variables:
        if name in skipped:
            continue
        try:
            form = declared_form(name)
        except InvalidName:
            faults.append(file.fault(name, _INVALID))
            continue
        if form in forms:
            faults.append(file.fault(name, _same_name(file, name, forms[form])))
        forms.setdefault(form, name)
    if faults:
        raise InvalidDotenv(faults)


def names_in_file(file: DotenvFile, skipped: Collection[str]) -> Mapping[str, str]:
    """Return the names in *file* by their declared form, without those that have none."""
    forms: dict[str, str] = {}
    for name in sorted(file.variables, key=lambda each: each not in skipped):
        try:
            forms[declared_form(name)] = name
        except InvalidName:
            continue
    return forms


def _same_name(file: DotenvFile, name: str, other: str) -> str:
    line = file.variables[other].line
    return (
        f"{name} becomes {secret_name(name)!r}, as {other} on line {line} does; rename one of the "
        f"two, or pass --skip {name}, or --skip {other}"
    )
