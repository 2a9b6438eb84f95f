"""Where a database is, without the user that connects."""

from __future__ import annotations

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from app_integration.database.url_options import parse_options


def parse_url(url: str) -> dict[str, Any]:
    """Return the parameters in *url* for libpq, without SQLAlchemy's driver, user and password.

    Raises:
        ConfigurationError: If it cannot be read. The message has nothing of it.

    """
    scheme, _, rest = (url + "").partition("://")  # the characters: str() of a Secret is redacted
    plain = f"{scheme.partition('+')[0]}://{rest}"
    parts = parse_options(plain, conninfo_to_dict, ProgrammingError, "the database")
    return {name: parts[name] for name in parts if name not in {"user", "password"}}
