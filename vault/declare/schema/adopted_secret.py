"""Adopted secrets: database URLs of an existing user whose password Vault rotates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from vault.declare import durations
from vault.declare.errors import (
    FieldError,
    Loc,
    format_value,
    join_names,
    suggest,
)
from vault.declare.schema.base import Section
from vault.declare.schema.text_types import Matching

#: Rotation period of a password in seconds, if the secret declares no ``rotate_every``.
ROTATE_EVERY: Final = 30 * durations.DAY

DatabaseUser = Annotated[
    str,
    Matching(
        r"[a-z_][a-z0-9_-]{0,62}",
        "a database user: lower-case letters, digits, '_' and '-', 63 at most",
    ),
]


class Adoption(Section):
    """Entry in an environment file: the database user in the URL of a given secret."""

    username: DatabaseUser = Field(description="the database user in the URL, such as shop_app")


@dataclass(frozen=True, slots=True)
class Adopted:
    """Source of an adopted secret.

    Attributes:
        username: Database user whose password Vault rotates.
        rotate_every: Rotation period in seconds.

    """

    source: ClassVar[str] = "adopted"

    username: str
    rotate_every: int


def find_errors(
    name: str, deployment: Mapping[str, Any], service: Any, stem: str
) -> Iterator[FieldError]:
    """Return the errors of the adopted secrets of one service in one environment.

    Args:
        name: Name of the service.
        deployment: The service's entry in the environment file.
        service: Content of the service file.
        stem: Name of the environment.

    """
    here = ("services", name, "adopted")
    adopted = mapping(deployment, "adopted")
    given = sorted(find_given(service, stem))
    for secret in adopted:
        loc = (*here, secret)
        if secret not in given:
            yield not_given_error(loc, given)
            continue
        yield from _derived_uses(secret, mapping(service, "secrets"), here)
    if adopted:
        yield from find_database_error(name, service, here)


def not_given_error(loc: Loc, given: Sequence[str]) -> FieldError:
    """Return the error of an entry at *loc* whose name is none of the secrets *given*."""
    *here, secret = loc
    what = f"has {format_value(secret)}, which is not a given secret"
    near = suggest(str(secret), given)
    return FieldError(loc, what, join_names(given), near, subject=tuple(here))


def find_database_error(name: str, service: Any, here: Loc) -> Iterator[FieldError]:
    """Yield the error of a section at *here* that needs a database of the service's own."""
    if "database" not in service:
        expected = f"nothing, as services/{name}.yaml declares no database"
        yield FieldError(here, "is set", expected)
    elif "of" in mapping(service, "database"):
        expected = f"nothing, as services/{name}.yaml uses the database of another service"
        yield FieldError(here, "is set", expected)


def mapping(data: Any, key: str) -> Mapping[str, Any]:
    """Return the mapping under *key*, empty if there is none."""
    found = data.get(key) if isinstance(data, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def find_given(service: Any, stem: str) -> Iterator[str]:
    """Yield the given secrets of a service file that exist in the environment *stem*."""
    secrets = mapping(service, "secrets")
    for name in secrets:
        spec = mapping(secrets, name)
        only = spec.get("environments")
        if spec.get("source") == "given" and (not isinstance(only, tuple) or stem in only):
            yield name


def _derived_uses(secret: str, secrets: Mapping[str, Any], here: Loc) -> Iterator[FieldError]:
    """Report derived secrets that use an adopted one.

    Apply writes a derived value again for each new KV version of its parts. A password that Vault
    rotates has no KV version, so the derived value would become outdated.
    """
    for other in secrets:
        text = mapping(secrets, other).get("format")
        if isinstance(text, str) and f"{{{secret}}}" in text:
            what = f"has {format_value(secret)}, from which {format_value(other)} is derived"
            expected = "a secret from which none is derived"
            yield FieldError((*here, secret), what, expected, subject=here)
