"""Names of the secrets that a service declares in ``STRONGROOM_DECLARATION``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from app_integration import names
from app_integration._internal.input_file import read_input
from app_integration.errors import ConfigurationError, UndeclaredSecret
from app_integration.names import Scope
from app_integration.settings import Settings


def check_declared(name: str, declared: Collection[str]) -> None:
    """Check that *name* is in *declared*."""
    if name not in declared:
        import difflib  # noqa: PLC0415 (for an error)

        near = difflib.get_close_matches(name, declared, 1)
        hint = f"did you mean {near[0]!r}? Otherwise " if near else ""
        raise UndeclaredSecret(f"secret {name!r} is not declared; {hint}add it to the declaration")


def read_declared(path: Path | None, scope: Scope) -> frozenset[str] | None:
    """Return the names of the secrets that *path* declares for *scope*; None without a path.

    It is a folder with ``services/<service>.yaml``, such a file, or a text with one name per line.
    """
    if path is None:
        return None
    file = path / "services" / f"{scope.service}.yaml" if path.is_dir() else path
    try:
        text = read_input(file).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"STRONGROOM_DECLARATION: {file} cannot be read: {error}; name a readable text file"
        ) from None
    is_yaml = file.suffix in {".yaml", ".yml"}
    found = _names_in_yaml(text, file, scope) if is_yaml else _names_in_text(text)
    return frozenset(names.check_secret_name(name) for name in found)


def name_variables(settings: Settings, wanted: Collection[str]) -> dict[str, str]:
    """Return secret → variable, for the *wanted* secrets or else all declared ones."""
    declared = read_declared(settings.declaration, settings.scope)
    if declared is not None:
        wanted = wanted or sorted(declared)
        for name in wanted:
            check_declared(name, declared)
    if not wanted:
        raise ConfigurationError(
            "no secret is named: pass --name, or set STRONGROOM_DECLARATION to a list of names; for"
            f" all that are declared, use strongroom run --service {settings.scope.service} in the"
            " deployment's repository"
        )
    variables = {name: names.variable_name(name) for name in wanted}
    if len({*variables.values()}) < len(variables):
        raise ConfigurationError(
            f"two of {', '.join(variables)} have the same variable; leave one out"
        )
    return variables


def _names_in_text(text: str) -> list[str]:
    bare = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in bare if line]


def _names_in_yaml(text: str, file: Path, scope: Scope) -> list[str]:
    try:
        import yaml  # noqa: PLC0415 (an extra; a list of names does not need it)
    except ImportError:
        raise ConfigurationError(
            f"STRONGROOM_DECLARATION: reading {file} needs an extra; install strongroom-sdk[config]"
        ) from None
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        document = None
    declared = document.get("secrets") if isinstance(document, Mapping) else None
    if not isinstance(declared, Mapping):
        raise ConfigurationError(
            f"STRONGROOM_DECLARATION: {file} has no mapping under 'secrets'; add one"
        )
    return [str(name) for name, about in declared.items() if _exists_in(about, scope)]


def _exists_in(about: Any, scope: Scope) -> bool:
    """Return whether a declared secret exists in the environment of *scope*; by default it does."""
    where = about.get("environments") if isinstance(about, Mapping) else None
    return where is None or str(scope.environment) in where
