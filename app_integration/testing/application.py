"""Applications under test, each with a server of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from app_integration import default_client, names
from app_integration.auth.methods import AppRole, StaticToken
from app_integration.client import Client
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Settings
from app_integration.testing import policies
from app_integration.testing.faults import Fault
from app_integration.testing.leases import DatabaseRole
from app_integration.testing.memory_vault import ADDRESS, MemoryVault

#: A strict environment, so that only the server answers: the fallbacks are for development.
ENVIRONMENT: Final = Environment.STAGING
KEY: Final = "pii"
FILES: Final = ("role-id", "secret-id")


class Application:
    """An application under test; the process's default client belongs to it during the test.

    Attributes:
        scope: The service and its environment.
        mounts: Where the engines are.
        operator: A session whose policy grants everything.
        client: The client that ``get_secret`` and the other public functions use.

    """

    def __init__(self, scope: Scope, operator: Session, client: Client) -> None:
        self.scope = scope
        self.mounts = client.settings.mounts
        self.operator = operator
        self.client = client

    def put(self, name: str, value: str) -> int:
        """Write *value* as the next version of the secret *name*; return its number."""
        response = self.operator.post(self._path("data", name), {"data": {names.VALUE_KEY: value}})
        return int(response["data"]["version"])

    def delete(self, name: str) -> None:
        """Delete the latest version of *name*. It can be undeleted."""
        self.operator.delete(self._path("data", name))

    def destroy(self, name: str, *versions: int) -> None:
        """Destroy *versions* of *name* for good."""
        self.operator.post(self._path("destroy", name), {"versions": list(versions)})

    def forget(self, name: str) -> None:
        """Delete *name* with its metadata and all its versions."""
        self.operator.delete(self._path("metadata", name))

    def rotate_key(self, key: str = KEY) -> None:
        """Add a version to the service's Transit key *key*."""
        self.operator.post(f"{self.mounts.transit}/keys/{self.scope.key(key)}/rotate")

    def make_key(self, key: str = KEY) -> None:
        """Create the service's derived Transit key *key*."""
        path = f"{self.mounts.transit}/keys/{self.scope.key(key)}"
        self.operator.post(path, {"derived": True})

    def _path(self, endpoint: str, name: str) -> str:
        return f"{self.mounts.kv}/{endpoint}/{self.scope.secret(name)}"


class MemoryApplication(Application):
    """An application on a :class:`MemoryVault`; the test advances the clock and injects faults."""

    def __init__(
        self, scope: Scope, operator: Session, client: Client, server: MemoryVault
    ) -> None:
        super().__init__(scope, operator, client)
        self.server = server

    def advance(self, seconds: float) -> None:
        """Advance the clock of the server and of every cache of the SDK by *seconds*."""
        self.server.clock.advance(seconds)

    def fault(
        self, fault: Fault, path: str = "", *, times: int | None = None
    ) -> AbstractContextManager[None]:
        """Inject *fault* into requests during the block. See :meth:`MemoryVault.fault`.

        Args:
            fault: The kind of failure.
            path: Prefix of the API path, without ``/v1/``.
            times: Number of requests that fail; None for all.

        """
        return self.server.fault(fault, path, times=times)

    def expire_tokens(self) -> None:
        """Expire every token with its leases. See :meth:`MemoryVault.expire_tokens`."""
        self.server.expire_tokens()

    def database_role(
        self, name: str | None = None, *, ttl: float = 3600, max_ttl: float = 86_400
    ) -> None:
        """Declare a database role. Its users are made up, and no database knows them.

        Args:
            name: See ``database_engine``; None for the default role.
            ttl: Seconds until a lease expires.
            max_ttl: Seconds until it expires in spite of renewals.

        """
        self.server.leases.roles[self.scope.database_role(name)] = DatabaseRole(ttl, max_ttl)


@contextmanager
def in_memory(
    service: str, folder: Path, mounts: Mounts = DEFAULT_MOUNTS
) -> Iterator[MemoryApplication]:
    """Yield the application *service* on a new server in memory."""
    scope = Scope(service, ENVIRONMENT)
    server = MemoryVault(authorise=partial(policies.allows, scope, mounts=mounts), mounts=mounts)
    clock = server.clock
    operator = server.tokens.issue("operator", (policies.ROOT,), ttl=float("inf"))
    role = server.approles.get_or_create_role(str(scope))

    def session(login: AppRole | StaticToken) -> Session:
        return Session(ADDRESS, login, clock=clock, sleep=clock.sleep, connect=lambda: server)

    logins = approle_files(folder, role.role_id, role.issue(), mounts)
    with session(StaticToken(Secret(operator.value))) as operator_session:
        settings = _settings(scope, ADDRESS, folder, mounts)
        client = Client(settings, session=session(logins), clock=clock)
        with default_client.replaced_by(client):
            application = MemoryApplication(scope, operator_session, client, server)
            application.make_key()
            yield application


@contextmanager
def application_on_server(address: str, root_token: str, folder: Path) -> Iterator[Application]:
    """Yield a new application with a unique service name on a real server."""
    scope = Scope(f"test-{secrets.token_hex(6)}", ENVIRONMENT)
    with Session(address, StaticToken(Secret(root_token))) as operator:
        logins = _create_approle(operator, scope, folder)
        client = Client(_settings(scope, address, folder), session=Session(address, logins))
        with default_client.replaced_by(client):
            application = Application(scope, operator, client)
            application.make_key()
            yield application


def _create_approle(operator: Session, scope: Scope, folder: Path) -> AppRole:
    """Create the service's policy and AppRole on a real server; return its auth method."""
    role = f"auth/{names.APPROLE_MOUNT}/role/{scope}"
    operator.post(f"sys/policies/acl/{scope}", {"policy": policies.hcl(scope)})
    operator.post(
        role,
        {"token_policies": [str(scope)], "token_period": 3600, "token_no_default_policy": True},
    )
    role_id = operator.get(f"{role}/role-id")["data"]["role_id"]
    secret_id = operator.post(f"{role}/secret-id")["data"]["secret_id"]
    return approle_files(folder, role_id, secret_id)


def approle_files(
    folder: Path, role_id: str, secret_id: str, mounts: Mounts = DEFAULT_MOUNTS
) -> AppRole:
    """Write role-id and secret-id into *folder*; return the auth method that reads them."""
    files = [folder / name for name in FILES]
    for path, text in zip(files, (role_id, secret_id), strict=True):
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return AppRole(files[0], files[1], mounts.approle)


def _settings(
    scope: Scope, address: str, folder: Path, mounts: Mounts = DEFAULT_MOUNTS
) -> Settings:
    return Settings(
        scope,
        address,
        role_id_file=folder / FILES[0],
        secret_id_file=folder / FILES[1],
        audit_file=folder / "access.jsonl",
        dotenv_file=folder / ".env",
        mounts=mounts,
    )
