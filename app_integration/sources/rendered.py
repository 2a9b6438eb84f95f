"""The file that the agent delivered: secrets without a server, as old as the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from app_integration import names
from app_integration.config.loader import ConfigFile
from app_integration.errors import SecretNotFound
from app_integration.secret import Secret
from app_integration.sources import Fetched, plain_only


class RenderedSource:
    """Finds ``smtp-password`` in the delivered config, under ``smtp-password`` or in ``smtp``.

    The keys that lead to a text, joined, spell the variable of the secret's name: ``smtp:`` over
    ``password:`` is ``SMTP_PASSWORD``. A replaced file is followed; one that can't be used leaves
    the last good one in effect.
    """

    decides: ClassVar = False

    def __init__(self, path: Path) -> None:
        """Args: *path* of the delivered file; it is read at the first :meth:`fetch`."""
        self._path = path
        self._file: ConfigFile[_Texts] | None = None

    def fetch(self, name: str, version: int | None = None, field: str | None = None) -> Fetched:
        """As :meth:`Source.fetch`; sends nothing.

        Raises:
            ConfigRejected: no usable file was delivered yet.

        """
        plain_only(str(self._path), version, field)
        if self._file is None:
            self._file = ConfigFile(_Texts, self._path)
        value = self._file.current().by_variable.get(names.variable_name(name))
        if value is None:
            raise SecretNotFound(f"{self._path} has no text that the name {name!r} leads to")
        return Fetched(Secret(value), source="rendered")


class _Texts:
    """The texts of a document by the variable that their keys spell."""

    def __init__(self, by_variable: dict[str, str]) -> None:
        self.by_variable = by_variable

    @classmethod
    def model_validate(cls, obj: Any, /) -> Self:
        """The texts of the document *obj*; two under one name are refused, named by the name."""
        found: dict[str, str] = {}
        _collect(obj, "", found)
        return cls(found)


class _Ambiguous(Exception):
    """Two keys lead to one name."""

    def errors(self, **_: bool) -> list[dict[str, Any]]:
        """As a model tells its faults, so that the refusal of the file names the key."""
        return [{"loc": self.args, "type": "two_keys_for_one_name"}]


def _collect(node: Any, spelled: str, found: dict[str, str]) -> None:
    if isinstance(node, Mapping):
        for key, inner in node.items():
            part = str(key).replace("-", "_").replace("/", "_").upper()
            _collect(inner, f"{spelled}_{part}" if spelled else part, found)
    elif isinstance(node, str):
        if spelled in found:
            raise _Ambiguous(spelled)
        found[spelled] = node
