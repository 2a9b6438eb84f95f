"""Models of a service's keys that rotate: Transit keys, and those of blind indexes."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from vault.declare.errors import InvalidValue
from vault.declare.schema.base import HookSection, Section
from vault.declare.schema.field_types import (
    Command,
    RetireTime,
    RotationPeriod,
)
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.text_types import Matching

#: Characters of the id of an index, because it is a part of an API path.
MAX_LENGTH: Final = 80

IndexName = Annotated[
    str,
    Matching(
        r"[a-z][a-z0-9_]*(?:[.-][a-z0-9_]+)*",
        "the id of a blind index such as users.email",
        lambda name: len(name) <= MAX_LENGTH,
    ),
]


class IndexHooks(HookSection):
    """Commands with which an application rotates the key of a blind index.

    Each may be repeated with the same rotation id.
    """

    rotate: Command = Field(
        description="a command as a list, which creates a version of the key, and prints its number"
    )
    rewrite: Command | None = Field(
        None, description="a command as a list, which rewrites index values of older versions"
    )
    count: Command = Field(
        description="a command as a list, which prints how many index values are below the version"
    )
    retire: Command = Field(
        description="a command as a list, which retires the version on its standard input"
    )


class IndexDeclaration(Section):
    """A blind index whose key is rotated."""

    hooks: IndexHooks = Field(description="a mapping with rotate, rewrite, count and retire")
    rotate_every: RotationPeriod | None = Field(
        None, description="a duration such as 365d, after which a rotation is due; by default 90d"
    )
    retire_after: RetireTime | None = Field(
        None,
        description="a duration such as 1d, for which both versions are used at least; by"
        " default 15m",
    )
    description: str = Field("", description="text: what the index finds")


class KeyHooks(HookSection):
    """Commands that move stored ciphertexts to the version of a key in their input."""

    rewrap: Command | None = Field(
        None, description="a command as a list, which moves stored ciphertexts to the new version"
    )
    count: Command | None = Field(
        None,
        description="a command as a list, which prints how many stored ciphertexts are below"
        " the version",
    )


class TransitKey(Section):
    """A Transit key, and the operations that the service may use."""

    allow: Distinct[Literal["encrypt", "decrypt", "rewrap"]] = Field(
        description="a list of encrypt, decrypt and rewrap, or some of them"
    )
    rotate_every: RotationPeriod | None = Field(
        None,
        description="a duration such as 90d, after which the server creates a version; by"
        " default it creates none, and a rotation is due after 90d; on AWS KMS does after 365d",
    )
    retire_after: RetireTime | None = Field(
        None,
        description="a duration such as 30d, after which the server rejects older versions; by"
        " default never",
    )
    hooks: KeyHooks | None = Field(None, description="a mapping with rewrap, count or both")
    description: str = Field("", description="text: what the key protects")

    @field_validator("hooks")
    @classmethod
    def _has_a_hook(cls, value: KeyHooks | None) -> KeyHooks | None:
        if value is not None and not value.commands:
            raise InvalidValue("has neither rewrap nor count", "at least one of them")
        return value
