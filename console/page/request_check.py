"""Checks of a request before anything is read: how it came, not what it asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import Final

METHODS: Final = ("GET", "HEAD")
#: Values of ``Sec-Fetch-Site`` of this page's own links, and of an address that a person entered.
#: A page of another port of this machine is ``same-site``.
_OWN_SITES: Final = frozenset({b"same-origin", b"none"})

#: Headers of a request, the names in lower case.
Headers = Iterable[tuple[bytes, bytes]]


def find_refusal(
    method: str, path: str, headers: Headers, hosts: Collection[str]
) -> HTTPStatus | None:
    """Return the status that rejects a request, None if it may be answered.

    A page of another site can point a name of its own at this machine, but the header ``Host`` has
    that name then, which is not among *hosts*.
    """
    if method not in METHODS:
        return HTTPStatus.METHOD_NOT_ALLOWED
    found = list(headers)
    named = [value.decode("latin-1").lower() for name, value in found if name == b"host"]
    is_own = len(named) == 1 and named[0] in hosts
    sites = {value for name, value in found if name == b"sec-fetch-site"}
    # A target may be a whole URL, whose host counts more than the header.
    if not is_own or not path.startswith("/") or not sites <= _OWN_SITES:
        return HTTPStatus.FORBIDDEN
    return None


def is_prefetch(headers: Headers) -> bool:
    """Return whether a browser fetches the page before a person asks for it."""
    return any(name in {b"sec-purpose", b"purpose"} for name, _ in headers)
