"""Fields of a settings class, at any depth, whose values are secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass, replace
from itertools import product
from types import UnionType
from typing import (
    Annotated,
    Any,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo

from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import check_secret_name

#: Keys, and indexes of an AliasPath, that lead to a value in the input of a settings class.
Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class FromStrongroom:
    """Mark of a field: ``password: Annotated[SecretStr, FromStrongroom("smtp-password")]``.

    Attributes:
        name: The name of the secret; by default that of the field in lower case, with ``-`` for
            ``_``, after those of the fields that it is nested in: ``smtp/password``. An alias of a
            field is read first: ``mail-key`` for ``validation_alias="MAIL_KEY"``.
        version: See :func:`~app_integration.get_secret`.
        field: See :func:`~app_integration.get_secret`.

    """

    name: str = ""
    version: int | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class MarkedField:
    """A field to be filled with a secret.

    The first of *secrets* that has a value is read, and put in the first of *places*, where
    pydantic looks for the field's value.
    """

    mark: FromStrongroom
    secrets: tuple[str, ...]
    field: FieldInfo
    names: tuple[str, ...]
    places: tuple[Path, ...]

    @property
    def secret(self) -> str:
        """Return the first name of the secret."""
        return self.secrets[0]


@dataclass(frozen=True, slots=True)
class _Model:
    """A model with the way to it from the settings class, which is the first of *owners*.

    The names of its secrets start with one of *prefixes*.
    """

    kind: Any
    owners: tuple[Any, ...]
    prefixes: tuple[str, ...]
    delimiter: str
    names: tuple[str, ...] = ()
    places: tuple[Path, ...] = ((),)

    def at_field(self, name: str, aliases: list[str], keys: list[Path]) -> _Model:
        """Return this model with the way to its field *name*, which pydantic finds at *keys*."""
        starts = self.prefixes if self.names else ("",)  # an alias is a whole name, without prefix
        given = [*product(starts, aliases), *product(self.prefixes, [name])]
        return replace(
            self,
            prefixes=tuple(dict.fromkeys(start + _to_secret_name(each) for start, each in given)),
            names=(*self.names, name),
            places=tuple(outer + key for outer, key in product(self.places, keys)),
        )

    def reject(self, reason: str) -> ConfigurationError:
        """Return the error for the field that the way leads to."""
        way = ".".join((self.owners[0].__name__, *self.names))
        return ConfigurationError(f"{way} cannot be filled with a secret: {reason}")


def find_marked_fields(
    settings: type[Any], prefix: str = "", delimiter: str = "/"
) -> list[MarkedField]:
    """Return the marked fields of a settings class and of the models nested in it."""
    return list(_walk(_Model(settings, (settings,), (_to_secret_name(prefix),), delimiter)))


def _walk(model: _Model) -> Iterator[MarkedField]:
    fields = _get_fields(model.kind)
    config = _get_config(model.kind)
    keys = {name: _get_keys(name, field, config) for name, field in fields.items()}
    counts = Counter(key for each in keys.values() for key in set(each))
    for name, field in fields.items():
        if any(_has_mark(part, []) for part in (field.annotation, *field.metadata)):
            own = sorted(keys[name], key=lambda key: counts[key])
            place = model.at_field(name, _get_aliases(field, config), own)
            if counts[own[0]] > 1:
                raise place.reject("another field has its alias; let both be set by name")
            yield from _read(place, field)


def _read(place: _Model, field: FieldInfo) -> Iterator[MarkedField]:
    kinds, metadata = _split(field.annotation)
    found = [each for each in (*field.metadata, *metadata) if isinstance(each, FromStrongroom)]
    marks = [*dict.fromkeys(found)]  # pydantic 2.10 repeats the metadata of a field that it merges
    if not marks:
        yield from _walk(_enter(place, kinds))
    elif len(marks) > 1 or any(_has_mark(kind, []) for kind in kinds):
        raise place.reject("it has more than one mark; keep one of them")
    else:
        valid = tuple(filter(_is_secret_name, place.prefixes)) or place.prefixes
        secrets = (marks[0].name,) if marks[0].name else valid
        yield MarkedField(marks[0], secrets, field, place.names, place.places)


def _enter(place: _Model, kinds: list[Any]) -> _Model:
    """Return the one model that a field without a mark can hold."""
    is_model = len(kinds) == 1 and hasattr(kinds[0], "__pydantic_fields__")
    if not is_model or getattr(kinds[0], "__pydantic_root_model__", False):
        raise place.reject("a mark is in its type; mark the field, or use a single model")
    if kinds[0] in place.owners:
        raise place.reject("its model has a mark and contains itself; mark the field")
    prefixes = tuple(prefix + place.delimiter for prefix in place.prefixes)
    return replace(place, kind=kinds[0], owners=(*place.owners, kinds[0]), prefixes=prefixes)


def _get_fields(kind: Any) -> dict[str, FieldInfo]:
    if not getattr(kind, "__pydantic_complete__", True) and hasattr(kind, "model_rebuild"):
        kind.model_rebuild()  # otherwise, types that are not resolved yet would hide their marks
    found: dict[str, FieldInfo] = kind.__pydantic_fields__
    return found


def _to_secret_name(name: str) -> str:
    return name.lower().replace("_", "-")


def _is_secret_name(name: str) -> bool:
    """Return whether a secret can have this name, unlike that of an alias such as ``app:key``."""
    try:
        return bool(check_secret_name(name))
    except InvalidName:
        return False


def _split(annotation: Any) -> tuple[list[Any], list[Any]]:
    """Return the types that *annotation* unites, without None, and their metadata."""
    annotation = getattr(annotation, "__value__", annotation)  # of a TypeAliasType
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        kinds, more = _split(inner)
        return kinds, [*metadata, *more]
    if get_origin(annotation) in {Union, UnionType}:
        parts = [_split(each) for each in get_args(annotation)]
        return [kind for kinds, _ in parts for kind in kinds], [
            m for _, more in parts for m in more
        ]
    return ([] if annotation is type(None) else [annotation]), []


def _has_mark(annotation: Any, seen: list[Any]) -> bool:
    """Return whether a value of the type *annotation* has a marked part; add it to *seen*."""
    annotation = getattr(annotation, "__value__", annotation)
    if isinstance(annotation, FromStrongroom):
        return True
    if any(annotation is each for each in seen):
        return False
    seen.append(annotation)
    return any(_has_mark(part, seen) for part in _get_parts(annotation))


def _get_parts(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return [*get_args(annotation), *annotation.__metadata__]
    fields = getattr(annotation, "__pydantic_fields__", None)
    if fields is not None:
        return [part for each in fields.values() for part in (each.annotation, *each.metadata)]
    # Only these have fields for pydantic. The annotations of other classes are their own affair.
    if isinstance(annotation, type) and (
        is_dataclass(annotation) or is_typeddict(annotation) or hasattr(annotation, "_fields")
    ):
        return _get_hints(annotation)
    return [*get_args(annotation)]


def _get_hints(kind: Any) -> list[Any]:
    try:
        return [*get_type_hints(kind, include_extras=True).values()]
    except NameError:  # of a type in a place that pydantic need not resolve, or in a function
        texts = map(str, vars(kind).get("__annotations__", {}).values())
        return [FromStrongroom() for text in texts if FromStrongroom.__name__ in text]


def _get_config(kind: Any) -> Any:
    return getattr(kind, "model_config", None) or getattr(kind, "__pydantic_config__", None) or {}


def _get_aliases(field: FieldInfo, config: Any) -> list[str]:
    """Return the aliases that name a secret: those of the field, and neither paths nor generated.

    An AliasPath says where a value is in the input, and a generator how a whole class is spelled.
    """
    if field.alias_priority == 1 or not config.get("validate_by_alias", True):
        return []
    alias = field.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return [each for each in choices if isinstance(each, str)]


def _get_keys(name: str, field: FieldInfo, config: Any) -> list[Path]:
    """Return the keys of the field's value in the input of its model, as pydantic looks them up."""
    alias = field.validation_alias if config.get("validate_by_alias") is not False else None
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias] if alias else []
    keys = [tuple(each.path) if isinstance(each, AliasPath) else (each,) for each in choices]
    by_name = config.get("validate_by_name", config.get("populate_by_name"))
    return [*keys, (name,)] if by_name or not keys else keys
