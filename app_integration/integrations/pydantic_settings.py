"""A pydantic-settings source that reads fields marked :class:`FromStrongroom` with ``get_secret``.

The source returns each value as a :class:`~app_integration.secret.Secret`, so that a
ValidationError does not show it. A field of type ``str`` then holds the value in plain text; a
field of type ``SecretStr`` hides it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app_integration._api import secrets
from app_integration.errors import SecretNotFound


@dataclass(frozen=True, slots=True)
class FromStrongroom:
    """Mark of a field: ``password: Annotated[SecretStr, FromStrongroom("smtp-password")]``.

    Attributes:
        name: The name of the secret; by default that of the field, with ``-`` for ``_``.

    """

    name: str = ""


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

        """
        super().__init__(settings_cls)
        self._get = get

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the secret of one field, as pydantic-settings requires.

        Args:
            field: The field with its marks.
            field_name: The name of the field.

        Returns:
            The secret, or None if the field has no mark or its secret no value; the field's name;
            and False, because the value is not JSON.

        """
        for mark in field.metadata:
            if isinstance(mark, FromStrongroom):
                name = mark.name or field_name.replace("_", "-")
                try:
                    return self._get(name), field_name, False
                except SecretNotFound:
                    break
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets of all marked fields that have one, by field name."""
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}
