"""Models of a secret's source: given, generated, or derived from other secrets."""

from __future__ import annotations

import string
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, field_validator

from app_integration.names import Environment
from vault.declare import derived_secret, durations
from vault.declare.errors import InvalidValue
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.base import HookSection, Section
from vault.declare.schema.field_types import (
    AnnouncementTime,
    Command,
    EnvironmentName,
    RetireTime,
    RotationPeriod,
)
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.text_types import json_text

#: Characters of a generated secret. With the minimum length of 32 characters each alphabet gives
#: 128 bits or more.
ALPHABETS = {
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "urlsafe": string.ascii_letters + string.digits + "-_",
}
#: Seconds for which the old value of a secret stays valid, if none is declared.
DEFAULT_RETIRE_AFTER: Final = durations.DAY
#: Characters of a value that dev generates in place of a given one.
DEV_LENGTH: Final = 48


_RETIRE_AFTER = "a duration such as 1d, for which the old value stays valid; by default 1d"
_FORMAT = "text with {secret-name} where values go, such as 'smtp://shop:{mail-password}@mail:25'"


class _Source(Section):
    description: str = Field("", description="text: what the secret is for")
    environments: Distinct[EnvironmentName] | None = Field(
        None, description="a list of the environments that have this secret; by default all"
    )

    def exists_in(self, environment: Environment) -> bool:
        """Return whether the secret exists in *environment*."""
        return self.environments is None or environment in self.environments


class Hooks(HookSection):
    """Commands with which a rotation changes a value where its owner keeps it.

    Each may be repeated with the same rotation id.
    """

    create: Command | None = Field(
        None,
        description="a command as a list, which prints a new value that works; by default the"
        " value is random",
    )
    set: Command | None = Field(
        None, description="a command as a list, which makes the value on its standard input work"
    )
    test: Command | None = Field(
        None,
        description="a command as a list, which fails if the value on its standard input does"
        " not work",
    )
    retire: Command | None = Field(
        None, description="a command as a list, which revokes the value on its standard input"
    )


class Given(_Source):
    """A secret whose value an operator or an import provides."""

    source: Literal["given"] = Field(description="given, generated or derived")
    dev: Literal["generated"] | None = Field(
        None, description="generated: dev generates a value, so that no developer is asked for it"
    )
    rotate_every: RotationPeriod | None = Field(
        None,
        description="a duration such as 90d, after which a rotation is due; by default 90d, or 30d"
        " if it is adopted or paired",
    )
    retire_after: RetireTime | None = Field(None, description=_RETIRE_AFTER)
    hooks: Hooks | None = Field(None, description="a mapping with create or set, test and retire")

    @field_validator("hooks")
    @classmethod
    def _changes_the_value(cls, value: Hooks | None) -> Hooks | None:
        if value is not None and value.create is None and value.set is None:
            raise InvalidValue("has neither create nor set", "at least one of them")
        return value


class Generated(_Source):
    """A secret with a random value, which apply writes only if the secret has no value."""

    source: Literal["generated"] = Field(description="given, generated or derived")
    length: int = Field(ge=32, le=1024, description="a whole number of characters from 32 to 1024")
    alphabet: Literal["alphanumeric", "hex", "urlsafe"] = Field(
        "alphanumeric", description="alphanumeric, hex or urlsafe: its characters"
    )
    rotate_every: RotationPeriod | None = Field(
        None, description="a duration such as 90d, after which a rotation is due; by default 90d"
    )
    retire_after: RetireTime | None = Field(None, description=_RETIRE_AFTER)
    announce_for: AnnouncementTime | None = Field(
        None,
        description="a duration such as 70m, for which a signing key is announced before it signs",
    )


class Derived(_Source):
    """A secret composed of other secrets.

    It changes whenever they do, so it has no rotation period.
    """

    rotate_every: ClassVar[None] = None

    source: Literal["derived"] = Field(description="given, generated or derived")
    format: Annotated[str, json_text(derived_secret.PATTERN, _FORMAT)] = Field(description=_FORMAT)

    @field_validator("format")
    @classmethod
    def _well_formed(cls, value: str) -> str:
        derived_secret.references(value)
        return value

    @property
    def references(self) -> tuple[str, ...]:
        """Return the names of the secrets in the format."""
        return derived_secret.references(self.format)


SecretSource = Annotated[Given | Generated | Derived, Field(discriminator="source")]


def resolve_source(source: SecretSource, environment: Environment) -> SecretSource:
    """Return what *source* is in *environment*: dev generates a given value if it says so."""
    if not (environment.is_dev and isinstance(source, Given) and source.dev):
        return source
    return Generated(source="generated", length=DEV_LENGTH, description=source.description)


#: Source of a secret in one environment.
Source = Given | Generated | Derived | Adopted
