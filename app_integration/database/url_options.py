"""Options in the URL of a server, and an error that does not show the URL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from app_integration.errors import ConfigurationError


def parse_options(
    url: str, parse: Callable[[str], Any], error: type[Exception], server: str
) -> dict[str, Any]:
    """Return the options in *url*, which *parse* reads.

    The *error* of *parse* shows what it cannot read, so it is not the cause of the one that is
    raised.
    """
    with suppress(error):
        found: dict[str, Any] = parse(url + "")  # the characters: str() of a Secret is redacted
        return found
    raise unreadable_url(server)


def unreadable_url(server: str) -> ConfigurationError:
    """Return the error for a URL of *server* that cannot be read. It has nothing of the URL."""
    return ConfigurationError(
        f"the URL of {server} cannot be read; percent-encode special characters in its parts"
    )


def has_part_of_login(address: str | None) -> bool:
    """Return whether a host or port has the rest of a password with an unencoded ``@``.

    The errors of a driver show host and port. Only a socket's name may begin with an ``@``.
    """
    return "@" in (address or "")[1:]
