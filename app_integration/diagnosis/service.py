"""Checks of what a service needs: settings, server, login, secrets, leased users, config."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from app_integration.auth.from_settings import build_auth_method
from app_integration.auth.methods import AuthMethod
from app_integration.client import Client
from app_integration.config import file_reader
from app_integration.config.delivery_status import read_status
from app_integration.config.file_access import FileAccess
from app_integration.diagnosis import aws
from app_integration.diagnosis.check import Broken, Check
from app_integration.diagnosis.leased_user import NeededUser, check_database, check_redis
from app_integration.diagnosis.server import Server
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConfigRejected,
    ConfigurationError,
    RequestRefused,
    SecretError,
    SecretNotFound,
    ServerFault,
    StrongroomError,
)
from app_integration.session.foreign_login import describe_foreign_login, is_surely_foreign
from app_integration.session.from_settings import open_session
from app_integration.session.session import Session
from app_integration.settings import MEMORY, Settings
from app_integration.sources.dotenv import DotenvSource
from app_integration.sources.vault import VaultSource
from app_integration.transport.payloads import parse_policies


@dataclass(frozen=True, slots=True)
class Needs:
    """What is checked besides the server and the login."""

    secrets: Collection[str] = ()
    database: NeededUser | None = None
    redis: NeededUser | None = None


def checks(
    read_settings: Callable[[], Settings],
    needs: Needs,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[tuple[str, Check]]:
    """Yield the checks of a service, in the order in which they need each other."""
    found: list[Settings] = []

    def check_settings() -> str:
        try:
            settings = read_settings()
            if settings.backend == "aws":
                aws.check_settings(settings)
            elif settings.backend != MEMORY:
                settings.require_address()
                build_auth_method(settings)  # which sends nothing
        except ConfigurationError as error:
            raise Broken(str(error), "set the variable that the message names") from None
        found.append(settings)
        return str(found[0].scope)

    yield "settings", check_settings
    settings = found[0]
    yield from _CHECKS[settings.backend](settings, needs, now)
    for name, user, check in (
        ("database", needs.database, check_database),
        ("Redis", needs.redis, check_redis),
    ):
        if user is not None:
            yield name, partial(check, settings, user)
    if path := settings.config_file:
        yield "config", lambda: check_config(path)


def _vault_checks(
    settings: Settings, needs: Needs, now: Callable[[], datetime]
) -> Iterator[tuple[str, Check]]:
    server = Server(settings.require_address(), settings.vault_cacert)
    yield "address", server.check_address
    yield "TLS", server.check_tls
    yield "API", server.check_api
    yield "clock", lambda: server.check_clock(now())
    yield "seal", server.check_seal
    method = build_auth_method(settings)
    with closing(open_session(_hurried(settings), method)) as session:
        service = Service(settings, session, method)
        yield "login", service.check_login
        for name in needs.secrets:
            yield f"secret {name}", partial(service.check_secret, name)


def _aws_checks(settings: Settings, needs: Needs, *_: object) -> Iterator[tuple[str, Check]]:
    with closing(Client(_hurried(settings))) as client:
        for name in needs.secrets:
            yield f"secret {name}", partial(aws.check_secret, client, name)


def _memory_checks(settings: Settings, needs: Needs, *_: object) -> Iterator[tuple[str, Check]]:
    for name in needs.secrets:
        yield f"secret {name}", partial(_check_dotenv_secret, settings, name)


_CHECKS: Final[dict[str, Callable[..., Iterator[tuple[str, Check]]]]] = {
    "vault": _vault_checks,
    "aws": _aws_checks,
    MEMORY: _memory_checks,
}


def _hurried(settings: Settings) -> Settings:
    """Return *settings* that do not wait until something works, but show what fails now."""
    return replace(settings, limits=replace(settings.limits, deadline=5.0))


@dataclass(frozen=True, slots=True)
class Service:
    """Requests of a service with its own login."""

    settings: Settings
    session: Session
    method: AuthMethod

    def check_login(self) -> str:
        """Log in, as the service in this environment."""
        found: Mapping[str, Any] = {}
        try:
            found = self.session.get("auth/token/lookup-self").get("data") or {}
        except AccessDenied:
            pass  # the login worked, and the policy does not grant this request
        except ConfigurationError as error:
            raise Broken(str(error), "write the file that the message names") from None
        except AuthenticationFailed as error:
            hint = self.method.hint
            raise Broken(str(error).removesuffix(f"; {hint}"), hint) from None
        except ServerFault as error:
            raise Broken(
                str(error), "see the server's log, and whether a disk of its audit logs is full"
            ) from None
        except StrongroomError as error:
            raise Broken(str(error), "see the server's log") from None
        policies = self.session.policies or parse_policies(found)
        what = f"by {self.settings.auth.method}"
        if problem := describe_foreign_login(self.settings.scope, policies):
            if is_surely_foreign(self.settings.scope, policies):
                raise Broken(*problem.split(": ", 1))
            return f"{what}; if a request is denied: {problem}"
        return what

    def check_secret(self, name: str) -> str:
        """Read a secret from the server, without a cache and without a fallback."""
        scope, mounts = self.settings.scope, self.settings.mounts
        try:
            VaultSource(self.session, scope, mounts).fetch(name)
        except AccessDenied as error:
            raise Broken(
                str(error),
                f"strongroom plan --env {scope.environment}, then strongroom apply --env "
                f"{scope.environment}",
            ) from None
        except RequestRefused as error:
            raise Broken(
                f"there is no KV engine at {mounts.kv}: {error}",
                "correct STRONGROOM_KV_MOUNT, or apply the declaration",
            ) from None
        except SecretError as error:
            remedy = f"strongroom put {name} --service {scope.service} --env {scope.environment}"
            raise Broken(str(error), remedy) from None
        except StrongroomError as error:
            raise Broken(str(error), "see the server's log") from None
        return "has a value"


def check_config(path: Path) -> str:
    """Read the delivered config file, and whether it is what is to be delivered now."""
    status = read_status(path)
    try:
        file_reader.read(path, FileAccess.from_environment())
    except ConfigRejected as error:
        reason = status.reason if status else None
        problem = f"{error}: {reason}" if reason else str(error)
        raise Broken(problem, "see the log of the agent or of the delivery") from None
    if status is not None and not status.state.is_live:
        raise Broken(
            f"{path} is that of before; since {status.since} the delivery is {status.state}: "
            f"{status.reason}",
            "correct what the reason names",
        )
    return str(path)


def _check_dotenv_secret(settings: Settings, name: str) -> str:
    """Read a secret from the process environment or the file."""
    try:
        found = DotenvSource(settings.dotenv_file).fetch(name)
    except SecretNotFound as error:
        raise Broken(str(error), f"write it into {settings.dotenv_file}") from None
    return f"in {'the environment' if found.source == 'environment' else settings.dotenv_file}"
