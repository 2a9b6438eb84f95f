"""Database connections whose username and password change while an application runs.

============================ =================================================================
:mod:`.credentials`          the base of credential providers; counts connections by user
:mod:`.leased_credentials`   users that the server creates for this process, renewed and revoked
:mod:`.external_credentials` a user that is managed elsewhere, read from a secret or a file
:mod:`.engine`               SQLAlchemy engines that connect with such credentials
:mod:`.pool`                 psycopg pools that connect with such credentials
:mod:`.endpoint`             URL as a driver takes it, and where the database is
:mod:`.redis_pool`           redis-py pools that connect with such credentials
:mod:`.factory`              engines and pools of one client, which share credentials by role
============================ =================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.database.external_credentials import (
    ExternalCredentials,
    credentials_from_file,
    credentials_from_secret,
)
from app_integration.database.lease import Lease
from app_integration.database.leased_credentials import LeasedCredentials

if TYPE_CHECKING:
    from app_integration.database.async_engine import async_leased_engine
    from app_integration.database.endpoint import driver_url
    from app_integration.database.engine import leased_engine
    from app_integration.database.pool import AsyncLeasedPool, LeasedPool
    from app_integration.database.redis_pool import AsyncLeasedRedisPool, LeasedRedisPool

__all__ = [
    "AsyncLeasedPool",
    "AsyncLeasedRedisPool",
    "CredentialProvider",
    "Credentials",
    "ExternalCredentials",
    "Lease",
    "LeasedCredentials",
    "LeasedPool",
    "LeasedRedisPool",
    "async_leased_engine",
    "credentials_from_file",
    "credentials_from_secret",
    "driver_url",
    "leased_engine",
]

#: Imported on first use, so that an application loads only the libraries that it uses.
_LAZY = {
    "AsyncLeasedPool": "pool",
    "AsyncLeasedRedisPool": "redis_pool",
    "LeasedPool": "pool",
    "LeasedRedisPool": "redis_pool",
    "async_leased_engine": "async_engine",
    "driver_url": "endpoint",
    "leased_engine": "engine",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 (needed here only)

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
