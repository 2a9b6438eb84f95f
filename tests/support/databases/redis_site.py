"""Valkey whose users a server in memory leases, without a deployment around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from app_integration.database import LeasedCredentials
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from local.layout import Layout
from local.ports import HOST, Ports
from local.processes.processes import ProcessManager
from local.servers.redis_accounts import RedisManager
from local.servers.valkey import Valkey
from tests.support.databases.database import eventually
from tests.support.servers.dev_server import dev_server, root

ROLE = "shop-dev-redis"
#: Grants of the leased users.
RULES = '["~visits:*", "&visits:*", "+@read", "+@write", "+@transaction", "+@pubsub", "+@blocking"]'
TTL, MAX_TTL = 60, 120  # seconds


@dataclass(frozen=True)
class RedisSite:
    """Running Valkey, and a session that may lease its users."""

    session: Session
    address: str
    valkey: Valkey
    admin: redis.Redis
    manager: RedisManager

    @property
    def url(self) -> Secret:
        """Return the URL of Valkey, with the password of its default user."""
        return self.valkey.url()

    def leased_users(self) -> set[str]:
        users = self.admin.execute_command("ACL", "USERS")  # type: ignore[no-untyped-call]
        return {user.decode() for user in users} - {"default", self.manager.username}

    def revoke_all(self) -> None:
        """Revoke all leases. Their holders are not told."""
        self.session.post(f"sys/leases/revoke-prefix/database/creds/{ROLE}", {})

    def configure_role(self, rules: str = RULES, ttl: int = TTL, max_ttl: int = MAX_TTL) -> None:
        """Set the rights and the TTLs in seconds of users that are leased from now on."""
        role = {"db_name": "shop-dev-redis", "creation_statements": [rules]}
        times = {"default_ttl": ttl, "max_ttl": max_ttl}
        self.session.post(f"database/roles/{ROLE}", {**role, **times})

    def restart(self) -> None:
        """Restart Valkey, which forgets its leased users."""
        self.valkey.stop()
        self.valkey.start()

    def count(self, key: str) -> int:
        return int(self.admin.get(key) or 0)

    def total(self, keys: Iterable[str]) -> int:
        return sum(self.count(key) for key in keys)


@contextmanager
def redis_site(root_folder: Path) -> Iterator[RedisSite]:
    """Run Valkey and a server that leases its users during the block."""
    manager = RedisManager(Layout(root_folder / ".strongroom"), Scope("shop", Environment.DEV))
    with (
        dev_server() as address,
        root(address) as session,
        running_valkey(root_folder, manager) as valkey,
        redis.Redis.from_url(valkey.url().reveal()) as admin,
    ):
        site = RedisSite(session, address, valkey, admin, manager)
        _configure(site)
        yield site


@contextmanager
def running_valkey(root_folder: Path, *managers: RedisManager) -> Iterator[Valkey]:
    """Run Valkey with these accounts during the block."""
    layout = Layout(root_folder / ".strongroom")
    layout.create()
    valkey = Valkey(layout, Ports(*free_ports(6)), ProcessManager(layout), managers)
    try:
        valkey.start()
        yield valkey
    finally:
        valkey.stop()


@contextmanager
def leased(site: RedisSite) -> Iterator[LeasedCredentials]:
    """Yield a provider of leased users, and revoke them at the end."""
    provider = LeasedCredentials(site.session, ROLE)
    try:
        yield provider
    finally:
        provider.close()


def only_current_user_exists(site: RedisSite, users: LeasedCredentials) -> bool:
    """Return whether the server drops all users but the current one."""

    def is_so() -> bool:
        users.maintain()  # which a thread does at an interval
        return site.leased_users() == {users.current().username}

    return eventually(is_so)


def _configure(site: RedisSite) -> None:
    session = site.session
    session.post("sys/mounts/database", {"type": "database"})
    connection = {
        "plugin_name": "redis-database-plugin",
        "host": HOST,
        "port": site.valkey.port,
        "username": site.manager.username,
        "password": site.manager.password().reveal(),
        "allowed_roles": [ROLE],
    }
    session.post("database/config/shop-dev-redis", connection)
    site.configure_role()
