"""Sources of secrets, as ``STRONGROOM_SOURCES`` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app_integration._internal.variables import read_list
from app_integration.errors import ConfigurationError

_VARIABLE: Final = "STRONGROOM_SOURCES"
#: The sources of secrets, by the names that ``STRONGROOM_SOURCES`` takes.
SOURCES: Final = ("vault", "aws", "rendered", "dotenv")


def read_sources(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sources in their order; none if the variable is not set.

    Raises:
        ConfigurationError: If one is unknown, or listed twice.

    """
    found = read_list(env, _VARIABLE)
    if unknown := [word for word in found if word not in SOURCES]:
        raise ConfigurationError(
            f"{_VARIABLE} names {unknown[0]!r}; expected some of {', '.join(SOURCES)}"
        )
    if len(set(found)) < len(found):
        raise ConfigurationError(f"{_VARIABLE} names a source twice")
    return found
