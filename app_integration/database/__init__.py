"""Database connections whose user and password change while they are used.

============================ =================================================================
:mod:`.credentials`          whom a connection logs in as, and which connections are open
:mod:`.leased_credentials`   users that the server makes for this process, renewed and revoked
:mod:`.external_credentials` a user that others look after: in a secret, or in a delivered file
:mod:`.engine`               SQLAlchemy engines under such users
:mod:`.pool`                 psycopg pools under such users
:mod:`.factory`              engines and pools of one client, which share credentials by role
============================ =================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.database.external_credentials import ExternalCredentials, in_file, in_secret
from app_integration.database.lease import Lease
from app_integration.database.leased_credentials import LeasedCredentials

if TYPE_CHECKING:
    from app_integration.database.engine import async_leased_engine, leased_engine
    from app_integration.database.pool import AsyncLeasedPool, LeasedPool

__all__ = [
    "AsyncLeasedPool",
    "CredentialProvider",
    "Credentials",
    "ExternalCredentials",
    "Lease",
    "LeasedCredentials",
    "LeasedPool",
    "async_leased_engine",
    "in_file",
    "in_secret",
    "leased_engine",
]

#: Loaded at first use: who has a pool doesn't load SQLAlchemy, and the other way round.
_LATER = {
    "AsyncLeasedPool": "pool",
    "LeasedPool": "pool",
    "async_leased_engine": "engine",
    "leased_engine": "engine",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 (needed here only)

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
