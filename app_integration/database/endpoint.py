"""Where a database is, and the provider of its credentials, for adapters of other libraries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from app_integration.database.credentials import CredentialProvider


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A database, and the provider of the credentials for its connections.

    Attributes:
        provider: Provides username and password at each physical connect.
        parameters: The keyword arguments for ``psycopg.connect`` without user and password.

    """

    provider: CredentialProvider
    parameters: dict[str, Any]


def parse_url(url: str) -> dict[str, Any]:
    """Return the parameters in *url* for libpq, without SQLAlchemy's driver, user and password."""
    scheme, _, rest = (url + "").partition("://")  # the characters: str() of a Secret is redacted
    parts: dict[str, Any] = conninfo_to_dict(f"{scheme.partition('+')[0]}://{rest}")
    return {name: parts[name] for name in parts if name not in {"user", "password"}}
