from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import psycopg
import pytest

from app_integration.auth.methods import AppRole
from app_integration.errors import ConfigurationError, RequestRefused, ServerFault
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits
from local.servers.accounts import SUPERUSER
from tests.support.servers.deployment import Deployment
from tests.support.servers.dev_server import dev_server, root
from tests.support.servers.kv_mount import create_kv_mount
from vault.declare.declaration import Declaration
from vault.declare.schema.database import DatabaseRole
from vault.declare.schema.keys import TransitKey
from vault.declare.schema.secret_sources import Given
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.leases import revoke_all
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.planning.prune import Orphan

pytestmark = pytest.mark.requires("embedded")

KEY, SECRET = "transit/gaara-store-dev-old", "secret/gaara-store/dev/old"
ROLE = "gaara-store-dev-reports"


def with_more(declared: Declaration) -> Declaration:
    """Return *declared* with one more object of several kinds."""
    service = declared.service("gaara-store")
    database = service.database
    assert database is not None
    role = DatabaseRole.model_validate({"ttl": "10m", "max_ttl": "20m"})
    more = service.model_copy(
        update={
            "secrets": {**service.secrets, "old": Given(source="given")},
            "keys": {**service.keys, "old": TransitKey(allow=("encrypt",))},
            "database": database.model_copy(update={"roles": {**database.roles, "reports": role}}),
        }
    )
    dev = declared.environment(Environment.DEV)
    people = {**dev.people, "leaver": dev.people["developer"]}
    environment = dev.model_copy(update={"people": people})
    return replace(
        declared,
        services={**declared.services, "gaara-store": more},
        environments={**declared.environments, Environment.DEV: environment},
    )


def plan(deployment: Deployment, *destroy: str, prune: bool = True) -> Plan:
    local = deployment.local
    options = Prune(Environment.DEV, destroy) if prune else None
    return build_plan(deployment.operator, local.desired(local.inputs()), options)


def apply_plan(deployment: Deployment, found: Plan) -> list[str]:
    done: list[str] = []
    apply(deployment.operator, found, lambda change: done.append(str(change)))
    return done


@pytest.fixture(scope="module")
def restored(deployment: Deployment) -> Iterator[Deployment]:
    """Yield the deployment, and delete at the end what is no longer declared."""
    yield deployment
    apply_plan(deployment, plan(deployment, *plan(deployment).kept))
    assert plan(deployment).changes == ()


@pytest.fixture
def pruned(restored: Deployment) -> Deployment:
    """Return a deployment with objects that were declared before and no longer are."""
    deployment = restored
    local, declared = deployment.local, deployment.local.declaration
    local.declaration = with_more(declared)
    inputs = local.inputs()
    given = {f"{SECRET}": Secret("old-value"), "auth/userpass/users/leaver": Secret("old-password")}
    inputs = replace(inputs, values={**inputs.values, **given})
    apply_plan(deployment, build_plan(deployment.operator, local.desired(inputs)))
    local.declaration = declared
    return deployment


def removed(found: Plan) -> set[str]:
    return {
        f"{change.kind} {change.resource.name}" for change in found.changes if change.is_deletion
    }


def test_plan_without_prune_deletes_nothing(pruned: Deployment) -> None:
    assert removed(plan(pruned, prune=False)) == set()


def test_prune_deletes_orphans_but_keeps_data(pruned: Deployment) -> None:
    found = plan(pruned)
    assert removed(found) == {f"database-role {ROLE}", "userpass leaver"}
    assert found.kept == (SECRET, KEY)
    done = apply_plan(pruned, found)
    assert {f"delete database-role {ROLE}", "delete userpass leaver"} <= set(done)
    assert ROLE not in pruned.operator.list("database/roles")
    assert pruned.operator.get(f"secret/data/{SECRET.removeprefix('secret/')}")
    assert plan(pruned).changes == ()


@pytest.mark.parametrize("name", [KEY, SECRET])
def test_data_is_deleted_by_its_full_name(pruned: Deployment, name: str) -> None:
    found = plan(pruned, name)
    assert found.kept == tuple({KEY, SECRET} - {name})
    apply_plan(pruned, found)
    mount, _, rest = name.partition("/")
    path = f"transit/keys/{rest}" if mount == "transit" else f"secret/metadata/{rest}"
    with pytest.raises(RequestRefused, match="404"):
        pruned.operator.get(path)


def test_data_deleted_by_a_killed_run_is_no_error(pruned: Deployment) -> None:
    apply_plan(pruned, plan(pruned, KEY))
    again = plan(pruned, KEY, SECRET)
    assert again.absent == (KEY,)
    assert removed(again) == {f"secret-metadata {SECRET.removeprefix('secret/')}"}


def test_partial_name_or_declared_data_is_rejected(pruned: Deployment) -> None:
    declared = ("secret/gaara-store/dev/jwt-secret", "transit/gaara-store-dev-pii")
    for name in ("old", "transit/*", *declared, "*"):
        with pytest.raises(
            ConfigurationError, match="no managed data of that name is undeclared"
        ) as caught:
            plan(pruned, name)
        assert KEY in str(caught.value)


def test_prune_keeps_unmanaged_objects(pruned: Deployment) -> None:
    operator = pruned.operator
    theirs: dict[str, dict[str, object]] = {
        "sys/policies/acl/gaara-store-dev-theirs": {"policy": 'path "a" { policy = "deny" }'},
        "auth/approle/role/gaara-store-dev-theirs": {},
        "transit/keys/gaara-store-dev-theirs": {},
        "secret/metadata/gaara-store/dev/theirs": {"custom_metadata": {"owner": "them"}},
    }
    for path, body in theirs.items():
        operator.post(path, body)
    found = plan(pruned)
    shown = removed(found) | set(found.kept)
    assert not [name for name in shown if "theirs" in name]
    operator.post("transit/keys/gaara-store-dev-theirs/config", {"deletion_allowed": True})
    for path in theirs:
        operator.delete(path)


def test_prune_keeps_built_in_policies_and_own_jobs(pruned: Deployment) -> None:
    ours: Collection[str] = ("default", "root", "strongroom-apply")
    notes = [f"secret/metadata/_strongroom/dev/policy/{name}" for name in ours]
    for path in notes:
        pruned.operator.post(path, {"custom_metadata": {"managed_by": "strongroom"}})
    resources = [
        each
        for each in pruned.local.desired(pruned.local.inputs())
        if each.name != "strongroom-apply"
    ]
    found = build_plan(pruned.operator, resources, Prune(Environment.DEV))
    assert not {f"policy {name}" for name in ours} & removed(found)
    for path in notes[:2]:
        pruned.operator.delete(path)


def test_prune_keeps_objects_of_other_environments(pruned: Deployment) -> None:
    path = "secret/metadata/_strongroom/prod/policy/gaara-store-prod"
    pruned.operator.post(path, {"custom_metadata": {"managed_by": "strongroom"}})
    secret = "secret/metadata/gaara-store/prod/jwt-secret"
    pruned.operator.post(
        secret, {"custom_metadata": {"managed_by": "strongroom", "environment": "prod"}}
    )
    found = plan(pruned)
    assert not [name for name in removed(found) | set(found.kept) if "prod" in name]
    for each in (path, secret):
        pruned.operator.delete(each)


def users(deployment: Deployment) -> set[str]:
    """Return the leased users in the database."""
    url = deployment.local.service("gaara-store").access.provided_secrets()["database-url"]
    with psycopg.connect(url.reveal().replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT usename FROM pg_user WHERE usename LIKE 'v-%'")
        return {name for (name,) in rows.fetchall()}


def lease(session: Session, role: str) -> str:
    return str(session.get(f"database/creds/{role}")["data"]["username"])


def test_prune_drops_the_users_of_the_role_and_no_others(pruned: Deployment) -> None:
    gone, stays = lease(pruned.operator, ROLE), lease(pruned.operator, "gaara-store-dev")
    assert {gone, stays} <= users(pruned)
    apply_plan(pruned, plan(pruned))
    assert gone not in users(pruned)
    assert stays in users(pruned)


def test_prune_waits_for_leases_beyond_one_request(pruned: Deployment) -> None:
    gone = {lease(pruned.operator, ROLE) for _ in range(60)}
    role = Orphan("database-role", ROLE, None)
    files = pruned.layout.role_id(APPLY_JOB), pruned.layout.secret_id(APPLY_JOB)
    address = pruned.local.ports.vault_address
    with Session(address, AppRole(*files), limits=Limits(deadline=2.0)) as hurried:
        role.write(hurried, {})
    assert not gone & users(pruned)
    assert ROLE not in pruned.operator.list("database/roles")


def test_revoke_all_reports_the_leases_that_do_not_end(pruned: Deployment) -> None:
    lease(pruned.operator, ROLE)
    clock = iter([0.0, 0.0, 10.0, 31.0])
    accounts = pruned.local.service("gaara-store").access.require_database()
    with accounts.superuser.connect() as superuser:
        superuser.execute(b"ALTER ROLE gaara_store_manager NOCREATEROLE")
        with pytest.raises(
            ServerFault, match=f"{ROLE}/: 1 leases are not revoked; check that the database"
        ):
            revoke_all(
                pruned.operator,
                f"database/creds/{ROLE}/",
                clock=lambda: next(clock),
                sleep=lambda _: None,
            )
        superuser.execute(b"ALTER ROLE gaara_store_manager CREATEROLE")


def test_prune_of_a_role_without_its_mount_deletes_the_metadata() -> None:
    note = f"secret/metadata/_strongroom/dev/database-role/{ROLE}"
    with dev_server() as address, root(address) as session:
        create_kv_mount(session, "secret")
        session.post(note, {"custom_metadata": {"managed_by": "strongroom"}})
        found = build_plan(session, [], Prune(Environment.DEV))
        assert removed(found) == {f"database-role {ROLE}"}
        apply(session, found, lambda _: None)
        assert build_plan(session, [], Prune(Environment.DEV)).changes == ()


def test_prune_of_a_role_whose_user_was_dropped_succeeds(pruned: Deployment) -> None:
    gone = lease(pruned.operator, ROLE)
    password = (pruned.layout.passwords / "database-superuser").read_text().strip()
    url = f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{pruned.ports.database}/gaara_store"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP ROLE "{gone}"'.encode())
    apply_plan(pruned, plan(pruned))
    assert ROLE not in pruned.operator.list("database/roles")
    assert plan(pruned).changes == ()
