"""Paired secrets: database URLs of two users, one in use and one that the next rotation sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import Field, field_validator

from vault.declare.errors import FieldError, InvalidValue, format_value
from vault.declare.schema.adopted_secret import (
    DatabaseUser,
    find_database_error,
    find_given,
    mapping,
    not_given_error,
)
from vault.declare.schema.base import Section
from vault.declare.schema.list_types import Distinct

_SIZE: Final = 2


class Pairing(Section):
    """Entry in an environment file: the two database users of a given secret."""

    usernames: Distinct[DatabaseUser] = Field(
        description="two database users, such as [shop_app_a, shop_app_b]",
        json_schema_extra={"minItems": _SIZE, "maxItems": _SIZE, "uniqueItems": True},
    )

    @field_validator("usernames")
    @classmethod
    def _are_two(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) != _SIZE:
            raise InvalidValue("does not have two entries", "two database users")
        return value


def find_errors(
    name: str, deployment: Mapping[str, Any], service: Any, stem: str
) -> Iterator[FieldError]:
    """Return the errors of the paired secrets of one service in one environment.

    Args:
        name: Name of the service.
        deployment: The service's entry in the environment file.
        service: Content of the service file.
        stem: Name of the environment.

    """
    here = ("services", name, "paired")
    paired, adopted = mapping(deployment, "paired"), mapping(deployment, "adopted")
    given = sorted(find_given(service, stem))
    for secret in paired:
        loc, shown = (*here, secret), format_value(secret)
        if secret not in given:
            yield not_given_error(loc, given)
        elif secret in adopted:
            what = f"has {shown}, which is adopted, too"
            yield FieldError(loc, what, "a secret that is not adopted", subject=here)
        elif "hooks" in mapping(mapping(service, "secrets"), secret):
            what = f"has {shown}, which has hooks"
            yield FieldError(loc, what, "a secret without hooks", subject=here)
    if paired:
        yield from find_database_error(name, service, here)
