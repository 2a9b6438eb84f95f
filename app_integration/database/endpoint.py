"""Where a database is, without the user that connects."""

from __future__ import annotations

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from app_integration.errors import ConfigurationError


def parse_url(url: str) -> dict[str, Any]:
    """Return the parameters in *url* for libpq, without SQLAlchemy's driver, user and password.

    Raises:
        ConfigurationError: If it cannot be read. The message has nothing of it.

    """
    scheme, _, rest = (url + "").partition("://")  # the characters: str() of a Secret is redacted
    parts = _parse(f"{scheme.partition('+')[0]}://{rest}")
    if parts is None:
        raise ConfigurationError(
            "the URL of the database cannot be read; percent-encode special characters in its parts"
        )
    return {name: parts[name] for name in parts if name not in {"user", "password"}}


def _parse(url: str) -> dict[str, Any] | None:
    """Return all parameters; None in place of libpq's error, which shows what it cannot read."""
    try:
        return conninfo_to_dict(url)
    except ProgrammingError:
        return None
