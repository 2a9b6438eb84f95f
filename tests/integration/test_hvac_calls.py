"""hvac's calls through ``hvac_client()``, compared with those of a plain ``hvac.Client``."""

from __future__ import annotations

import inspect
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import hvac
import pytest
from hvac.api import SystemBackend, auth_methods, secrets_engines
from hvac.api.secrets_engines.kv_v1 import KvV1
from hvac.api.secrets_engines.kv_v2 import KvV2
from hvac.api.vault_api_base import VaultApiBase
from psycopg.sql import SQL, Identifier, Literal

from app_integration.auth.methods import StaticToken
from app_integration.hvac_adapter.adapter import build_hvac_client
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.leases import DatabaseRole
from app_integration.testing.memory_vault import ADDRESS, MemoryVault
from tests.support.databases.database import Database
from tests.support.servers import hvac_engine_calls as engines
from tests.support.servers import hvac_system_calls as system
from tests.support.servers.dev_server import ROOT_TOKEN, dev_server
from tests.support.servers.hvac_calls import Call, Outcome, State, run_calls
from tests.support.servers.hvac_engine_calls import KV1
from tests.support.servers.hvac_system_calls import REFUSED_BY_SERVER

pytestmark = pytest.mark.requires("embedded")


def _of(group: str, names: str) -> set[str]:
    return {f"{group}.{name}" for name in names.split()}


#: Calls that it refuses, or that need the result of one that it refuses.
REFUSED: Final = frozenset(
    KV1.keys()
    | REFUSED_BY_SERVER.keys() - {"sys.enable_audit_device"}
    | _of("transit", "trim_key generate_random_bytes hash_data export_key backup_key restore_key")
    | _of("database", "configure read_connection list_connections reset_connection create_role")
    | _of("database", "read_role list_roles create_static_role read_static_role list_static_roles")
    | _of("database", "rotate_root_credentials delete_static_role delete_role delete_connection")
    | {"sys.enable_secrets_engine database", "token.tidy", "sys.read_health_status GET"}
    | _of("sys", "tune_mount_configuration enable_secrets_engine move_backend enable_auth_method")
    | _of("sys", "tune_auth_method create_or_update_quota read_quota list_quotas delete_quota")
    | _of("sys", "create_namespace list_namespaces delete_namespace get_encryption_key_status")
    | _of("sys", "rotate_encryption_key read_root_generation_progress read_rekey_progress")
    | _of("sys", "read_raft_config take_raft_snapshot step_down")
)
#: Calls whose result has other fields, or other values in them.
CHANGED: Final = frozenset(
    {
        "sys.enable_secrets_engine kv",
        "sys.enable_secrets_engine transit",
        "sys.enable_auth_method approle",
        "kv.v2.read_secret_metadata",
        "database.get_static_credentials",
        "approle.generate_secret_id wrapped",
    }
    | _of("sys", "read_lease read_seal_status list_mounted_secrets_engines calculate_hash")
    | _of("sys", "read_auth_method_tuning list_enabled_audit_devices")
)


def rows(calls: Iterable[str]) -> Iterator[str]:
    """Yield the rows of the page's table: group, refused methods, methods with other results."""
    kept = _methods(set(calls) - REFUSED)
    refused, changed = _methods(REFUSED) - kept, _methods(CHANGED) | (_methods(REFUSED) & kept)
    for group in sorted({method.rpartition(".")[0] for method in refused | changed}):
        yield f"| `{group}` | {_cell(refused, group)} | {_cell(changed, group)} |"


def _methods(names: Iterable[str]) -> set[str]:
    """Return *names* without what distinguishes several calls of one method."""
    return {name.partition(" ")[0] for name in names}


def _cell(methods: set[str], group: str) -> str:
    own = sorted(each.rpartition(".")[2] for each in methods if each.rpartition(".")[0] == group)
    return ", ".join(f"`{each}`" for each in own) or "-"


PAGE: Final = Path(__file__).parents[2] / "docs" / "howto" / "Hvac.md"
CALLS: Final[Mapping[str, Call]] = {
    **engines.KV2,
    **engines.KV1,
    **engines.TRANSIT,
    **engines.DATABASE,
    **system.APPROLE,
    **system.TOKEN,
    **system.SYSTEM,
    **system.REFUSED_BY_SERVER,
    **system.OWN_TOKEN,
    **system.CLIENT,
}
#: Calls that differ from those of a plain client, on a real server. The page says how.
DIFFERENT: Final = {
    "approle.login use_token",
    "client.auth_cubbyhole",
    "client.logout",
    "error of a call",
}
TTL: Final = 1e6  # seconds
#: Group in the names of the calls → the class of hvac.
METHODS_OF: Final[Mapping[str, type]] = {
    "approle": auth_methods.AppRole,
    "database": secrets_engines.Database,
    "kv.v1": KvV1,
    "kv.v2": KvV2,
    "sys": SystemBackend,
    "token": auth_methods.Token,
    "transit": secrets_engines.Transit,
}
Outcomes = Mapping[str, Outcome]


@contextmanager
def database_state(database: Database) -> Iterator[State]:
    """Yield the settings of a database engine with users of its own."""
    superuser = database.accounts.superuser
    admin, static = (f"hvac_{secrets.token_hex(4)}" for _ in range(2))
    password = secrets.token_hex(16)
    with superuser.connect() as connection:
        for statement, name in (
            ("CREATE ROLE {} LOGIN CREATEROLE SUPERUSER PASSWORD {}", admin),
            ("CREATE ROLE {} LOGIN PASSWORD {}", static),
        ):
            connection.execute(SQL(statement).format(Identifier(name), Literal(password)))
    state = {
        "database_url": (
            "postgresql://{{username}}:{{password}}"
            f"@127.0.0.1:{superuser.port}/postgres?sslmode=disable"
        ),
        "database_user": admin,
        "database_password": password,
        "static_user": static,
    }
    try:
        yield state
    finally:
        with superuser.connect() as connection:
            for name in (admin, static):
                connection.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(name)))


@pytest.fixture(scope="module")
def deployment_database(deployment: Any) -> Database:
    return Database(deployment.local.service("gaara-store").access.require_database())


@pytest.fixture(scope="module")
def plain(deployment_database: Database) -> Outcomes:
    """Return what the calls of a plain client return."""
    with dev_server() as address, database_state(deployment_database) as state:
        client = hvac.Client(address, token=ROOT_TOKEN)
        return run_calls({**CALLS, **system.SEALING}, client, state)


@pytest.fixture(scope="module")
def ours(deployment_database: Database) -> Outcomes:
    """Return what the same calls return on a session, on a server of their own."""
    login = StaticToken(Secret(ROOT_TOKEN))
    with (
        dev_server() as address,
        Session(address, login) as session,
        database_state(deployment_database) as state,
    ):
        return run_calls({**CALLS, **system.SEALING}, build_hvac_client(session), state)


@pytest.fixture(scope="module")
def memory() -> Outcomes:
    """Return what the same calls return on a session with the server in memory."""
    server = MemoryVault()
    login = StaticToken(Secret(server.tokens.issue("operator", ("root",), ttl=TTL).value))
    clock = server.clock
    with Session(ADDRESS, login, connect=lambda: server, clock=clock, sleep=clock.sleep) as session:
        return run_calls(CALLS, build_hvac_client(session), prepare(server))


def prepare(server: MemoryVault) -> State:
    """Create in *server* what a test creates by its Python interface, and no call of hvac."""
    server.leases.roles["shop"] = DatabaseRole(3600, 86_400)
    server.leases.add_static_role("fixed", "user", 86_400)
    return {}


def test_calls_on_a_server_are_alike_but_for_the_listed_ones(
    plain: Outcomes, ours: Outcomes
) -> None:
    assert [name for name in plain if plain[name].kind == "KeyError"] == []
    differing = {name for name in plain if plain[name] != ours[name]}
    assert {name: (plain[name], ours[name]) for name in differing - DIFFERENT} == {}
    assert sorted(DIFFERENT - differing) == []


def test_calls_on_the_server_in_memory_are_alike_but_for_the_listed_ones(
    ours: Outcomes, memory: Outcomes
) -> None:
    refused = {name for name in memory if memory[name].kind in {"UnsupportedCall", "KeyError"}}
    changed = {name for name in memory if _read(memory[name]) != _read(ours[name])} - refused
    assert {name: (ours[name], memory[name]) for name in changed - CHANGED} == {}
    assert sorted(refused - REFUSED) == []
    assert sorted(REFUSED - refused | CHANGED - changed) == [], "alike now: remove from the list"


def test_every_method_of_these_classes_is_called() -> None:
    called = {name.partition(" ")[0] for name in (*CALLS, *system.SEALING)}
    methods = {
        f"{group}.{name}"
        for group, kind in METHODS_OF.items()
        for owner in kind.__mro__
        if owner.__module__.startswith("hvac.api.") and owner is not VaultApiBase
        for name, value in vars(owner).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }
    assert sorted(methods - called) == []


def test_page_lists_the_calls_that_differ() -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition("## Calls that differ")[2].partition("## ")[0]
    assert re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) == sorted(DIFFERENT)
    on_memory = text.partition("## On the server in memory")[2]
    assert [line for line in on_memory.splitlines() if line.startswith("| `")] == list(rows(CALLS))


def _read(outcome: Outcome) -> Any:
    """Return what a caller reads of a response: not its id, its warnings and its other envelope."""
    if isinstance(outcome.value, dict) and "request_id" in outcome.value:
        return {key: outcome.value.get(key) for key in ("data", "auth", "wrap_info", "lease_id")}
    return outcome
