"""The names that a service declares, when its declaration is given to the application."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from app_integration import names
from app_integration.errors import ConfigurationError, UndeclaredSecret
from app_integration.names import Scope


def check_declared(name: str, declared: Collection[str]) -> None:
    """Refuse a *name* that isn't in *declared*.

    Raises:
        UndeclaredSecret: the message names the nearest that is.

    """
    if name not in declared:
        near = difflib.get_close_matches(name, declared, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UndeclaredSecret(f"secret {name!r} isn't declared: add it to the declaration{hint}")


def read_declaration(path: Path, scope: Scope) -> frozenset[str]:
    """The names of secrets that *path* declares for *scope*.

    Args:
        path: a folder with ``services/<service>.yaml``, such a file, or a text file with one name
            a line; ``#`` begins a comment there.
        scope: whose.

    Raises:
        ConfigurationError: *path* can't be read, or is none of the three.
        InvalidName: a line is no name of a secret.

    """
    file = path / "services" / f"{scope.service}.yaml" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"STRONGROOM_DECLARATION: {file} can't be read: {error}") from None
    found = _yaml(text, file, scope) if file.suffix in {".yaml", ".yml"} else _lines(text)
    return frozenset(names.check_secret_name(name) for name in found)


def _lines(text: str) -> list[str]:
    bare = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in bare if line]


def _yaml(text: str, file: Path, scope: Scope) -> list[str]:
    try:
        import yaml  # noqa: PLC0415 (an extra: a list of names needs none)
    except ImportError:
        raise ConfigurationError(
            f"STRONGROOM_DECLARATION: reading {file} takes the extra strongroom-sdk[config]"
        ) from None
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        document = None
    declared = document.get("secrets") if isinstance(document, Mapping) else None
    if not isinstance(declared, Mapping):
        raise ConfigurationError(f"STRONGROOM_DECLARATION: {file} has no mapping under 'secrets'")
    return [str(name) for name, about in declared.items() if _is_here(about, scope)]


def _is_here(about: Any, scope: Scope) -> bool:
    """Whether a declared secret exists in the environment of *scope*: by default in each."""
    where = about.get("environments") if isinstance(about, Mapping) else None
    return where is None or str(scope.environment) in where
