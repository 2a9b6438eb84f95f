"""Checks of secrets that a Lambda function rotates: their periods, and what is derived of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from vault.declare import durations
from vault.declare.checks.service import Data, derived_uses, section
from vault.declare.errors import FieldError, Loc
from vault.declare.schema.adopted_secret import ROTATE_EVERY
from vault.declare.schema.aws import min_rotation_age

_MAX_ROLE: Final = 64  # characters of the name of a role
_MAX_DAYS: Final = 1000  # between two rotations, as Secrets Manager allows


def find_errors(
    data: Data, *, stem: str, services: Mapping[str, Data | None]
) -> Iterator[FieldError]:
    """Return the errors of an environment file whose secrets a function rotates."""
    function = section(data, "aws").get("rotation_function")
    if function is None:
        return
    if "roles" in section(data, "aws") and len(f"{function}_{stem}") > _MAX_ROLE:
        what = f"is {function!r}, whose role {function}_{stem} has more than {_MAX_ROLE} characters"
        yield FieldError(("aws", "rotation_function"), what, "a shorter name")
    for name, deployment in section(data, "services").items():
        everywhere = section(services.get(name) or {}, "secrets")
        secrets = {each: spec for each, spec in everywhere.items() if _is_here(spec, stem)}
        here: Loc = ("services", name)
        for secret in _rotated(secrets, section(deployment, "paired")):
            yield from _period(name, secret, section(secrets, secret), here)
            yield from _derived_uses(name, secret, secrets, here)


def _is_here(spec: object, stem: str) -> bool:
    """Return whether the environment *stem* has the secret; True if its list is invalid."""
    only = section(spec).get("environments")
    return not isinstance(only, tuple) or stem in only


def _rotated(secrets: Data, paired: Data) -> Iterator[str]:
    """Yield the secrets that the function rotates: paired ones, and generated ones with a period.

    The owner of any other given secret changes it.
    """
    for secret in secrets:
        spec = section(secrets, secret)
        if secret in paired or (spec.get("source") == "generated" and "rotate_every" in spec):
            yield secret


def _period(name: str, secret: str, spec: Data, here: Loc) -> Iterator[FieldError]:
    period = spec.get("rotate_every", durations.render(ROTATE_EVERY))
    try:
        days, rest = divmod(durations.parse(period), durations.DAY)
        retire_after = durations.parse(spec.get("retire_after", "0s"))
    except (ValueError, TypeError):
        return  # the service's file has the error
    least = -(-min_rotation_age(retire_after) // durations.DAY)
    if rest or not least <= days <= _MAX_DAYS:
        what = f"has {name}, whose secret {secret!r} rotates every {period}"
        expected = (
            f"whole days from {least}d to {_MAX_DAYS}d: the old value stays valid until the next "
            "rotation, and must outlast retire_after and each cache"
        )
        yield FieldError(here, what, expected)


def _derived_uses(name: str, secret: str, secrets: Data, here: Loc) -> Iterator[FieldError]:
    for other, used in derived_uses(secrets).items():
        if secret in used:
            what = f"has {name}, whose secret {other!r} is derived from {secret!r}"
            yield FieldError(
                here, what, "a secret that is not rotated, as the function composes no values"
            )
