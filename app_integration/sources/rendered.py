"""Secrets from the config file that the agent delivers, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from app_integration import names
from app_integration.config.loader import ConfigFile
from app_integration.errors import SecretNotFound
from app_integration.secret import Secret
from app_integration.sources import FetchedSecret, Version, reject_version_and_field


class RenderedSource:
    """A source that reads ``smtp-password`` from the file that the agent delivers.

    The keys that lead to a text, joined, form the variable of the secret's name: ``smtp:`` over
    ``password:`` is ``SMTP_PASSWORD``, and so is the one key ``smtp-password:``. The values are as
    old as the file. When the file is replaced it is reloaded; if the new file is invalid, the last
    valid one stays in effect.
    """

    is_authoritative: ClassVar = False

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self._path = path
        self._file: ConfigFile[_Texts] | None = None

    def fetch(self, name: str, version: Version = None, field: str | None = None) -> FetchedSecret:
        """Return the value of *name*; sends no request."""
        reject_version_and_field(str(self._path), version, field)
        if self._file is None:
            self._file = ConfigFile(_Texts, self._path)
        value = self._file.current().by_variable.get(names.variable_name(name))
        if value is None:
            raise SecretNotFound(
                f"{self._path} has no text for {name!r}; add it to the config template"
            )
        return FetchedSecret(Secret(value), source="rendered")


class _Texts:
    """Text values of a document, by the variable that their keys form."""

    def __init__(self, by_variable: dict[str, str]) -> None:
        self.by_variable = by_variable

    @classmethod
    def model_validate(cls, obj: Any, /) -> Self:
        """Return the texts of *obj*."""
        found: dict[str, str] = {}
        _collect(obj, "", found)
        return cls(found)


class _Ambiguous(Exception):
    """An error for two texts whose keys form the same variable."""

    def errors(self, **_: bool) -> list[dict[str, Any]]:
        """Return the error in pydantic's form, so that the file's rejection names the variable."""
        return [{"loc": self.args, "type": "two_keys_for_one_name"}]


def _collect(node: Any, variable: str, found: dict[str, str]) -> None:
    if isinstance(node, Mapping):
        for key, inner in node.items():
            part = str(key).replace("-", "_").replace("/", "_").upper()
            _collect(inner, f"{variable}_{part}" if variable else part, found)
    elif isinstance(node, str):
        if variable in found:
            raise _Ambiguous(variable)
        found[variable] = node
