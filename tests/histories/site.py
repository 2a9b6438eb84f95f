"""Server with an audit log, database and a network between them and the SDK, all of which fail."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app_integration.auth.methods import StaticToken
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from local.servers.accounts import DatabaseAccounts
from tests.histories import history
from tests.histories.history import Fault
from tests.support.databases.store_postgres import store_postgres
from tests.support.polling import wait_until
from tests.support.processes.pause import paused
from tests.support.servers.kv_mount import create_kv_mount
from tests.support.servers.raft_cluster import Cluster, Node, raft_cluster
from tests.support.servers.tcp_proxy import NetworkConditions, TcpProxy, tcp_proxy
from vault.reconcile.resources.lease_statements import OwnerGrant

SCOPE: Final = Scope("shop", Environment("prod"))
LIMITS: Final = Limits(
    deadline=0.6,
    connect_timeout=0.3,
    retry_window=0.4,
    retry_base=0.02,
    retry_max=0.2,
    cache_ttl=0.4,
    stale_limit=1.6,
    negative_ttl=0.1,
    login_retry_base=0.05,
    login_retry_max=0.2,
    data_key_age=1.0,
    data_key_cache=1,
)
SECRETS: Final = f"secret/data/{SCOPE.service}/{SCOPE.environment}"
LEASE_PATH: Final = f"database/creds/{SCOPE}"
_LEASE_SECONDS: Final = 6
_DENIABLE: Final = "shop-values"
_DENIABLE_RULES: Final = f"""
path "{SECRETS}/*" {{ capabilities = ["read"] }}
path "transit/*" {{ capabilities = ["update"] }}
"""
_RULES: Final = f"""
path "{SECRETS}/once/*" {{ capabilities = ["create", "update"] }}
path "database/creds/*" {{ capabilities = ["read"] }}
path "sys/leases/revoke" {{ capabilities = ["update"] }}
"""


@dataclass
class Site:
    """The running parts."""

    cluster: Cluster
    accounts: DatabaseAccounts
    proxy: TcpProxy
    settings: Settings
    operator: Session = field(init=False)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        token = StaticToken(self.cluster.root_token)
        self.operator = Session(self.node.address, token)

    @property
    def node(self) -> Node:
        """Return the server."""
        return self.cluster.nodes[0]

    @property
    def database_log(self) -> Path:
        """Return the log of the database."""
        return self.accounts.superuser.layout.logs / "database.log"

    def allow_values(self) -> None:
        """Grant the SDK its secrets and its encryption key."""
        self.operator.post(f"sys/policies/acl/{_DENIABLE}", {"policy": _DENIABLE_RULES})

    def add_role(self, name: str) -> str:
        """Create the role *name*, and return the path of its leases."""
        grant = OwnerGrant(SCOPE.owner_role)
        role = {
            "db_name": str(SCOPE),
            "creation_statements": list(grant.creation_statements()),
            "revocation_statements": list(grant.revocation_statements()),
            "default_ttl": _LEASE_SECONDS,
            "max_ttl": 2 * _LEASE_SECONDS,
        }
        self.operator.post(f"database/roles/{name}", role)
        return f"database/creds/{name}"

    def inject(self, kind: str, chance: random.Random) -> Fault:
        """Have one fault of *kind*, and return it once it is over."""
        seconds = chance.uniform(0.2, 1.0)
        if kind in _NETWORK:
            return self._with_network(kind, _NETWORK[kind](chance), seconds)
        if kind == history.KILL:
            return self._kill(seconds)
        if kind == history.PAUSE:
            return self._pause(seconds)
        if kind == history.DENIED:
            return self._deny(seconds)
        return self._revoke(kind)

    def _with_network(self, kind: str, conditions: NetworkConditions, seconds: float) -> Fault:
        self.proxy.conditions = conditions
        try:
            return _hold(kind, seconds)
        finally:
            self.proxy.conditions = NetworkConditions()

    def _kill(self, seconds: float) -> Fault:
        self.node.process.kill()
        self.node.process.wait()
        # With the start, longer than values are served stale.
        fault = _hold(history.KILL, 1 + seconds)
        self.node.start()
        wait_until(self.node.is_leader, "a server that is active again")
        return fault

    def _pause(self, seconds: float) -> Fault:
        with paused(self.node.process.pid):
            return _hold(history.PAUSE, seconds)

    def _deny(self, seconds: float) -> Fault:
        self.operator.delete(f"sys/policies/acl/{_DENIABLE}")
        # Longer than data keys are used.
        fault = _hold(history.DENIED, LIMITS.data_key_age + LIMITS.deadline + seconds)
        self.allow_values()
        return fault

    def _revoke(self, kind: str) -> Fault:
        begun = time.time()
        self.operator.post(f"sys/leases/revoke-prefix/{_PREFIXES[kind]}")
        return Fault(kind, begun, time.time())


_NETWORK: Final[dict[str, Callable[[random.Random], NetworkConditions]]] = {
    history.CUT: lambda chance: NetworkConditions(cut_after=chance.randrange(200)),
    history.RESET: lambda _: NetworkConditions(reset=True),
    history.BLACKHOLE: lambda _: NetworkConditions(blackhole=True),
    history.DELAY: lambda _: NetworkConditions(latency=0.2, jitter=0.2),
}
_PREFIXES: Final = {
    history.REVOKED_TOKEN: "auth/approle/login",
    history.REVOKED_LEASES: "database/creds",
}


def _hold(kind: str, seconds: float) -> Fault:
    begun = time.time()
    threading.Event().wait(seconds)
    return Fault(kind, begun, time.time())


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Run all parts during the block."""
    with (
        store_postgres(folder, SCOPE) as accounts,
        raft_cluster(folder, size=1) as cluster,
        tcp_proxy(cluster.nodes[0].address) as proxy,
    ):
        port = accounts.superuser.port
        settings = Settings(
            SCOPE,
            proxy.address,
            database_url=f"postgresql+psycopg://127.0.0.1:{port}/{accounts.roles.database}",
            role_id_file=folder / "role-id",
            secret_id_file=folder / "secret-id",
            limits=LIMITS,
        )
        running = Site(cluster, accounts, proxy, settings)
        _log_logins(accounts)
        _set_up_server(running)
        _set_up_login(running.operator, settings)
        running.allow_values()
        with running.operator:
            yield running


def _log_logins(accounts: DatabaseAccounts) -> None:
    with accounts.superuser.connect() as superuser:
        superuser.execute("ALTER SYSTEM SET log_connections = 'on'")
        superuser.execute("SELECT pg_reload_conf()")


def _set_up_server(running: Site) -> None:
    operator, accounts = running.operator, running.accounts
    address = f"{accounts.superuser.address}/{accounts.roles.database}"
    create_kv_mount(operator, "secret")
    operator.post("sys/mounts/transit", {"type": "transit"})
    operator.post(f"transit/keys/{SCOPE.key('pii')}")
    operator.post("sys/mounts/database", {"type": "database"})
    connection = {
        "plugin_name": "postgresql-database-plugin",
        "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{address}?sslmode=disable",
        "username": accounts.roles.manager,
        "password": accounts.password_file("manager").read_text().strip(),
        "allowed_roles": "*",
    }
    operator.post(f"database/config/{SCOPE}", connection)
    running.add_role(str(SCOPE))


def _set_up_login(operator: Session, settings: Settings) -> None:
    operator.post("sys/auth/approle", {"type": "approle"})
    role = f"auth/approle/role/{SCOPE}"
    operator.post(role, {"token_policies": ["shop", _DENIABLE], "token_ttl": 60})
    operator.post("sys/policies/acl/shop", {"policy": _RULES})
    assert settings.role_id_file is not None
    assert settings.secret_id_file is not None
    settings.role_id_file.write_text(operator.get(f"{role}/role-id")["data"]["role_id"])
    secret_id = operator.post(f"{role}/secret-id", retry=False)["data"]["secret_id"]
    settings.secret_id_file.write_text(secret_id)
