"""Checks of the arguments with which a caller selects a value, before any request."""

from __future__ import annotations

import math
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.sources import Following, Preceding, Version

_MAX_LABEL: Final = 256  # characters, as AWS allows


def check_version(name: str, version: Version) -> None:
    """Check the version of the secret *name*; None is the current one."""
    is_named = isinstance(version, Preceding | Following | None) or (
        # A number as text is a mistake, because no label is a number.
        isinstance(version, str)
        and len(version) <= _MAX_LABEL
        and version.isprintable()
        and not version.isdecimal()
        and version != ""
    )
    if not is_named and (type(version) is not int or version < 1):
        raise ConfigurationError(
            f"version={version!r} of {name}: versions count from 1; pass an int, or on AWS the id "
            "or label of a version, or None"
        )


def check_field(name: str, field: object) -> None:
    """Check the name of a field of the secret *name*; None is the field that holds the value."""
    if field is not None and not (isinstance(field, str) and field and field.isprintable()):
        raise ConfigurationError(
            f"field={field!r} of {name} is not printable text; pass the name of a field"
        )


def check_grace(name: str, grace: object) -> None:
    """Check the seconds for which the previous value of *name* is accepted; None is no limit.

    They matter only once there is a previous value, so a wrong type would fail after a rotation.
    """
    if grace is not None and (not isinstance(grace, int | float) or math.isnan(grace)):
        raise ConfigurationError(f"grace={grace!r} of {name}: pass a number of seconds, or None")
