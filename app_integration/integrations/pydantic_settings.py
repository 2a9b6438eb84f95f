"""pydantic-settings: fields marked :class:`FromStrongroom` get their values from ``get_secret``.

A value arrives as a :class:`~app_integration.secret.Secret`, so that a ValidationError doesn't show
it; a field of type ``str`` then holds it in the clear, one of type ``SecretStr`` doesn't.
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
    """Marks a field: ``password: Annotated[SecretStr, FromStrongroom("smtp-password")]``.

    Attributes:
        name: of the secret; by default the field's, with ``-`` for ``_``.

    """

    name: str = ""


class StrongroomSource(PydanticBaseSettingsSource):
    """A source for ``settings_customise_sources``: one secret for each marked field.

    A secret that has no value leaves its field to the next source, or to its default. Any other
    error of :mod:`app_integration.errors` is raised as it is.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        get: Callable[[str], Any] = secrets.get_secret,
    ) -> None:
        """Args: *get* gives the secret of a name."""
        super().__init__(settings_cls)
        self._get = get

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """As the library asks: value or None, the field's name, and that it isn't JSON."""
        for mark in field.metadata:
            if isinstance(mark, FromStrongroom):
                name = mark.name or field_name.replace("_", "-")
                try:
                    return self._get(name), field_name, False
                except SecretNotFound:
                    break
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Field name → secret, for the marked fields that have one."""
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}
