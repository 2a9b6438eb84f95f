"""Models of a secret's source: given, generated, or derived from other secrets."""

from __future__ import annotations

import string
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from app_integration.names import Environment
from vault.declare import derived
from vault.declare.schema.adopted import Adopted
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import Distinct, EnvironmentName, RotationPeriod
from vault.declare.schema.text_types import json_text

#: Characters of a generated secret. With the minimum length of 32 characters each alphabet gives
#: 128 bits or more.
ALPHABETS = {
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "urlsafe": string.ascii_letters + string.digits + "-_",
}


_FORMAT = "text with {secret-name} where values of secrets go"


class _Source(Section):
    description: str = Field("", description="text: what the secret is for")
    environments: Distinct[EnvironmentName] | None = Field(
        None, description="a list of the environments that have this secret; all, if left out"
    )

    def exists_in(self, environment: Environment) -> bool:
        """Return whether the secret exists in *environment*."""
        return self.environments is None or environment in self.environments


class Given(_Source):
    """A secret whose value an operator or an import provides."""

    source: Literal["given"] = Field(description="given, generated or derived")
    rotate_every: RotationPeriod | None = Field(None, description="a duration such as 90d")


class Generated(_Source):
    """A secret with a random value, which apply writes only if the secret has no value."""

    source: Literal["generated"] = Field(description="given, generated or derived")
    length: int = Field(ge=32, le=1024, description="a whole number of characters from 32 to 1024")
    alphabet: Literal["alphanumeric", "hex", "urlsafe"] = Field(
        "alphanumeric", description="alphanumeric, hex or urlsafe"
    )
    rotate_every: RotationPeriod | None = Field(None, description="a duration such as 90d")


class Derived(_Source):
    """A secret composed of other secrets.

    It changes whenever they do, so it has no rotation period.
    """

    rotate_every: ClassVar[None] = None

    source: Literal["derived"] = Field(description="given, generated or derived")
    format: Annotated[str, json_text(derived.PATTERN, _FORMAT)] = Field(description=_FORMAT)

    @field_validator("format")
    @classmethod
    def _well_formed(cls, value: str) -> str:
        derived.references(value)
        return value

    @property
    def references(self) -> tuple[str, ...]:
        """Return the names of the secrets in the format."""
        return derived.references(self.format)


SecretSource = Annotated[Given | Generated | Derived, Field(discriminator="source")]
#: Source of a secret in one environment.
Source = Given | Generated | Derived | Adopted
