"""URL of a database as a driver takes it, and where the database is."""

from __future__ import annotations

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from app_integration.database.url_options import has_part_of_login, parse_options
from app_integration.observability import redaction
from app_integration.secret import Secret


def driver_url(url: str) -> Secret:
    """Return *url* for psycopg and other drivers, which do not know SQLAlchemy's form of it.

    A driver shows a URL that it cannot read in its error, so this function reads it first.

    Args:
        url: A URL such as that of the secret ``database-url``: ``postgresql+psycopg://…``.

    Raises:
        ConfigurationError: If it cannot be read. The message has nothing of it.

    """
    parse_url(url)
    redaction.live.add(plain := Secret(_without_driver(url)))
    return plain


def parse_url(url: str) -> dict[str, Any]:
    """Return the parameters in *url* for libpq, without SQLAlchemy's driver, user and password."""
    parts = parse_options(url, _read, ProgrammingError, "the database")
    return {name: parts[name] for name in parts if name not in {"user", "password"}}


def _read(url: str) -> dict[str, Any]:
    """Return the parameters in *url*.

    It is a function of its own, because a traceback may show the local variables of each frame.
    """
    parts: dict[str, Any] = conninfo_to_dict(_without_driver(url))
    is_port = parts.get("port", "0").replace(",", "0").isdecimal()
    if has_part_of_login(parts.get("host")) or not is_port:  # the rest of a password with a slash
        raise ProgrammingError
    return parts


def _without_driver(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}://{rest}"
