"""A pydantic-settings source that reads fields marked :class:`FromStrongroom` with ``get_secret``.

The source returns each value as a :class:`~app_integration.secret.Secret`, and the errors of the
settings class hold no value of any field. A field of type ``str`` then holds the value in plain
text; a field of type ``SecretStr`` hides it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource

from app_integration._api import secrets
from app_integration.default_client import get_default_client
from app_integration.errors import AccessDenied, SecretNotFound, UndeclaredSecret, WrongType
from app_integration.integrations.hidden_errors import HidingValidator
from app_integration.integrations.marked_fields import (
    FromStrongroom,
    MarkedField,
    Path,
    find_marked_fields,
)
from app_integration.secret import REDACTED, Secret

__all__ = ["FromStrongroom", "StrongroomSource"]


class StrongroomSource(EnvSettingsSource):
    """A source for ``settings_customise_sources`` that reads one secret for each marked field.

    The text of a secret is converted to the field's type as that of an environment variable is. No
    request is sent for a field that an earlier source has set. A field whose secret has no value
    gets it from the next source or from its default. All other errors of
    :mod:`app_integration.errors` are raised unchanged.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        get: Callable[..., Any] = secrets.get_secret,
        *,
        env_prefix: str = "",
        env_nested_delimiter: str = "/",
        env_ignore_empty: bool | None = None,
        env_parse_none_str: str | None = None,
        env_parse_enums: bool | None = None,
    ) -> None:
        """Create the source; no secret is read yet.

        The last three options are by default those of the settings class.

        Args:
            settings_cls: The settings class whose fields are marked.
            get: Returns a secret by its name, and the version and field of its mark if it has them.
            env_prefix: The start of all names that are not in a mark: ``SHOP_`` for ``shop-mail``.
            env_nested_delimiter: What separates the names of nested fields in them.
            env_ignore_empty: Whether an empty secret counts as one without a value.
            env_parse_none_str: The text of a secret that stands for None.
            env_parse_enums: Whether the text for an enum may be the name of a member.

        Raises:
            ConfigurationError: If a mark is where no single value belongs, as in a list.

        """
        # The base class converts values. It looks at no variable: it has none, and no delimiter.
        super().__init__(
            settings_cls,
            env_nested_delimiter="",
            env_ignore_empty=env_ignore_empty,
            env_parse_none_str=env_parse_none_str,
            env_parse_enums=env_parse_enums,
        )
        self.env_vars = {}
        self._get = get
        self._marked = find_marked_fields(settings_cls, env_prefix, env_nested_delimiter)
        _hide_errors(settings_cls, self._marked)

    def __call__(self) -> dict[str, Any]:
        """Return the secrets of all marked fields that have one, as input of the settings class.

        Raises:
            WrongType: If the type of a field needs JSON, and its secret is none.

        """
        found: dict[str, Any] = {}
        for marked in self._marked:
            if any(_is_set(self.current_state, place) for place in marked.places):
                continue
            text = self._read(marked)
            if text is not None:
                _put(found, marked.places[0], _hide(self._convert(marked, text)))
        return found

    def _read(self, marked: MarkedField) -> Any:
        options = {"version": marked.mark.version, "field": marked.mark.field}
        given = {key: value for key, value in options.items() if value is not None}
        refusals: list[AccessDenied | UndeclaredSecret] = []
        for secret in marked.secrets:
            try:
                text = self._get(secret, **given)
            except SecretNotFound:
                continue
            except (AccessDenied, UndeclaredSecret) as refusal:
                refusals.append(refusal)
                continue
            if not (self.env_ignore_empty and text == ""):
                self._record_kept(marked, secret)
                return text
        if len(refusals) == len(marked.secrets):
            raise min(refusals, key=lambda each: isinstance(each, UndeclaredSecret))
        return None

    def _record_kept(self, marked: MarkedField, secret: str) -> None:
        """Record which field has the value, so that an operator sees which process must restart."""
        if marked.mark.version is None and self._get is secrets.get_secret:
            place = ".".join((self.settings_cls.__name__, *marked.names))
            get_default_client().secrets.access_recorder.record_kept(secret, place)

    def _convert(self, marked: MarkedField, text: Any) -> Any:
        if text == self.env_parse_none_str:
            return None
        try:
            return self.prepare_field_value(marked.names[-1], marked.field, text, False)
        except ValueError:  # it is raised below, because the parser's error holds the text
            pass
        raise WrongType(
            f"the value of {marked.secret} is no JSON, which the type of the field "
            f"{'.'.join(marked.names)} needs; write JSON, or mark the field with NoDecode too"
        )


class _HiddenDict(dict[Any, Any]):
    """The value of a secret that is a JSON object; it hides its value as a Secret does."""

    def __repr__(self) -> str:
        return REDACTED

    def copy(self) -> _HiddenDict:
        """Return a copy that is hidden too; pydantic-settings merges sources with it."""
        return _HiddenDict(self)


class _HiddenList(list[Any]):
    """The value of a secret that is a JSON array; it hides its value as a Secret does."""

    def __repr__(self) -> str:
        return REDACTED


def _hide_errors(settings: type[BaseSettings], fields: list[MarkedField]) -> None:
    """Wrap the validator of the class, because a source has no other part in the validation."""
    validator = settings.__pydantic_validator__
    if not isinstance(validator, HidingValidator):
        hiding: Any = HidingValidator(validator, fields)
        settings.__pydantic_validator__ = hiding


def _hide(value: Any) -> Any:
    """Return *value* so that a traceback with local variables does not show it."""
    if isinstance(value, dict):
        return _HiddenDict(value)
    if isinstance(value, list):
        return _HiddenList(value)
    return Secret(value) if type(value) is str else value  # a Secret stays as it is


def _is_set(state: Any, place: Path) -> bool:
    """Return whether *state* has a value at *place*, or a whole that includes it."""
    for key in place:
        if not isinstance(state, dict):
            return True
        if key not in state:
            return False
        state = state[key]
    return True


def _put(tree: dict[Any, Any], place: Path, value: Any) -> None:
    """Set the value at *place*; an index is a key too, because pydantic only subscribes."""
    for key in place[:-1]:
        tree = tree.setdefault(key, {})
    tree[place[-1]] = value
