"""Models of a service's Transit keys, and of the hooks that rewrap what is stored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from vault.declare.errors import InvalidValue
from vault.declare.schema.base import HookSection, Section
from vault.declare.schema.field_types import (
    Command,
    RetireTime,
    RotationPeriod,
)
from vault.declare.schema.list_types import Distinct


class KeyHooks(HookSection):
    """Commands that move stored ciphertexts to the version of a key in their input."""

    rewrap: Command | None = Field(None, description="a list: rewraps what is stored")
    count: Command | None = Field(
        None, description="a list: prints how many stored ciphertexts are below the version"
    )


class TransitKey(Section):
    """A Transit key, and the operations that the service may use."""

    allow: Distinct[Literal["encrypt", "decrypt", "rewrap"]] = Field(
        description="a list of encrypt, decrypt and rewrap, or some of them"
    )
    rotate_every: RotationPeriod | None = Field(None, description="a duration such as 90d")
    retire_after: RetireTime | None = Field(None, description="a duration such as 30d")
    hooks: KeyHooks | None = Field(None, description="a mapping with rewrap, count or both")
    description: str = Field("", description="text: what the key protects")

    @field_validator("hooks")
    @classmethod
    def _has_a_hook(cls, value: KeyHooks | None) -> KeyHooks | None:
        if value is not None and not value.commands:
            raise InvalidValue("has neither rewrap nor count", "at least one of them")
        return value
