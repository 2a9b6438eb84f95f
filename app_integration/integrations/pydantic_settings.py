"""A pydantic-settings source that reads fields marked :class:`FromStrongroom` with ``get_secret``.

The source returns each value as a :class:`~app_integration.secret.Secret`, so that a
ValidationError does not show it. A field of type ``str`` then holds the value in plain text; a
field of type ``SecretStr`` hides it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app_integration._api import secrets
from app_integration.errors import SecretNotFound
from app_integration.integrations.marked_fields import (
    FromStrongroom,
    MarkedField,
    Path,
    find_marked_fields,
)

__all__ = ["FromStrongroom", "StrongroomSource"]


class StrongroomSource(PydanticBaseSettingsSource):
    """A source for ``settings_customise_sources`` that reads one secret for each marked field.

    A field whose secret has no value gets it from the next source or from its default. All other
    errors of :mod:`app_integration.errors` are raised unchanged.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        get: Callable[[str], Any] = secrets.get_secret,
    ) -> None:
        """Create the source; no secret is read yet.

        Args:
            settings_cls: The settings class whose fields are marked.
            get: Returns a secret by its name.

        Raises:
            ConfigurationError: If a mark is where no single value belongs, as in a list.

        """
        super().__init__(settings_cls)
        self._get = get
        self._marked = find_marked_fields(settings_cls)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the secret of one field of the settings class, as pydantic-settings requires.

        Args:
            field: The field with its marks.
            field_name: The name of the field.

        Returns:
            The secret, or None if the field has no mark or its secret no value; the field's name;
            and False, because the value is not JSON.

        """
        marked = next((each for each in self._marked if each.field is field), None)
        return (None if marked is None else self._read(marked)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets of all marked fields that have one, as input of the settings class."""
        found: dict[str, Any] = {}
        for marked in self._marked:
            value = self._read(marked)
            if value is not None:
                _put(found, marked.places[0], value)
        return found

    def _read(self, marked: MarkedField) -> Any:
        try:
            return self._get(_get_secret_name(marked))
        except SecretNotFound:
            return None


def _get_secret_name(marked: MarkedField) -> str:
    return marked.mark.name or "/".join(marked.names).lower().replace("_", "-")


def _put(tree: dict[Any, Any], place: Path, value: Any) -> None:
    """Set the value at *place*; an index is a key too, because pydantic only subscribes."""
    for key in place[:-1]:
        tree = tree.setdefault(key, {})
    tree[place[-1]] = value
