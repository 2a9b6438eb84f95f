"""Checks that a user of a database or of Redis can be leased, and that it can log in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from app_integration.client import Client
from app_integration.diagnosis.check import Broken
from app_integration.errors import (
    ConfigurationError,
    RateLimited,
    SecretError,
    ServerError,
    StrongroomError,
)
from app_integration.settings import Settings

#: Seconds for a connection to Redis and for each of its responses. Old redis-py has no limit.
_REDIS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class NeededUser:
    """User that a service leases."""

    role: str | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """Server at which a leased user logs in.

    *remedies* maps the name of a driver's error to what to do, with ``{place}`` for the address.
    """

    name: str
    extra: str
    secret: str
    log_in: Callable[[Client, str | None], str]
    condition: str = ""
    remedies: Mapping[str, str] = field(default_factory=dict)


def log_in_to_redis(client: Client, role: str | None) -> str:
    """Log in to Redis once with a leased user, and return its name.

    No command is sent, because the rules of the role may allow none that all roles have.
    """
    limits = {"socket_connect_timeout": _REDIS_SECONDS, "socket_timeout": _REDIS_SECONDS}
    pool = client.databases.create("redis", None, limits, role=role).connection_pool
    connection = pool.get_connection()
    try:
        return str(connection.login.username)
    finally:
        pool.release(connection)


def check_database(settings: Settings, user: NeededUser) -> str:
    """Lease a database user, and log in with it."""
    return _check(settings, user, _DATABASE)


def check_redis(settings: Settings, user: NeededUser) -> str:
    """Lease a Redis user, and log in with it."""
    return _check(settings, user, _REDIS)


def _log_in_to_database(client: Client, role: str | None) -> str:
    with client.databases.engine(role, None).connect() as connection:
        return str(connection.exec_driver_sql("SELECT session_user").scalar())


_DATABASE: Final = _Target("the database", "database", "database-url", _log_in_to_database)
_REDIS: Final = _Target(
    "Redis",
    "redis",
    "redis-url",
    log_in_to_redis,
    ", with rules that Redis knows",
    {
        "AuthenticationError": "check that {place} leads to the Redis of the declaration, in which "
        "the users are created",
        "NoPermissionError": "add what connecting needs to the role's rules, such as +select for a "
        "database other than 0",
    },
)


def _check(settings: Settings, user: NeededUser, target: _Target) -> str:
    with closing(Client(settings)) as client:
        _check_address(client, target)
        try:
            return target.log_in(client, user.role)
        except StrongroomError as error:
            raise Broken(str(error), _remedy(error, settings, target)) from None
        except ImportError:
            raise Broken(
                f"the packages of the extra '{target.extra}' are not installed",
                f"install strongroom-sdk[{target.extra}]",
            ) from None
        except Exception as error:  # noqa: BLE001 (the drivers have no common base class)
            # The type alone: the message of a driver may repeat the URL.
            kind = type(error).__name__
            remedy = target.remedies.get(kind, "check that {place} is reachable from here")
            declared = settings.address(is_redis=target is _REDIS)
            place = "its declared address" if declared else f"the address in {target.secret}"
            raise Broken(
                f"{target.name} rejects the user, or is unreachable ({kind})",
                remedy.format(place=place),
            ) from None


def _check_address(client: Client, target: _Target) -> None:
    """Check that the address is declared, or is in a secret that can be read."""
    try:
        client.databases.find_url(is_redis=target is _REDIS)
    except SecretError as error:
        remedy = f"declare the secret {target.secret}, apply, and write it"
        raise Broken(str(error), remedy) from None
    except StrongroomError as error:
        raise Broken(str(error), "see the server's log") from None


def _remedy(error: StrongroomError, settings: Settings, target: _Target) -> str:
    """Return what to do if no user can be leased, although the server works."""
    if isinstance(error, ConfigurationError):
        return "correct what the message names"
    if isinstance(error, RateLimited):
        return f"wait, or raise the quota that the server applies to users of {target.name}"
    if isinstance(error, ServerError):
        return (
            f"check that the server reaches {target.name} at its declared address, and that its "
            f"manager can log in and may create users there{target.condition}; in dev, run "
            "strongroom up"
        )
    env = settings.scope.environment
    return f"strongroom plan --env {env}, then strongroom apply --env {env}"
