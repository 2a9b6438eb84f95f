"""Values that a scoped apply role may write, as the real server compares them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from app_integration.errors import AccessDenied, StrongroomError
from app_integration.mounts import Mounts
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from console.commands.every_day.policy_check import find_stale_policy
from local.ports import HOST
from policies.render import render_policies, scoped_apply_policy
from policies.templates import base, base_digest
from tests.support.models.policy_values import AllowedValue
from tests.support.models.tenants import DEV, Tenant, sections
from tests.support.servers.dev_server import dev_server, root
from tests.support.servers.recording_listener import listen
from tests.support.servers.server_program import openbao_only
from vault.declare.policy_template import PolicyTemplate
from vault.declare.schema.field_types import Endpoint
from vault.reconcile.resources.database import DatabaseConnection
from vault.reconcile.resources.guards import PasswordPolicy
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.redis import RedisConnection

pytestmark = pytest.mark.requires("embedded")

T = TypeVar("T")

MOUNTS: Final = Mounts("alpha/kv", "alpha/transit", "alpha/database", "alpha-roles")
NEAR_VALUES: Final = 400
EVIL: Final = '\npath "*" { capabilities = ["read", "sudo"] }'
#: A reviewed last line, which the server would take for a pattern.
HOSTILE: Final = PolicyTemplate(
    "policies/service.hcl.j2", base_digest("service"), f"# base\n{base('service')}# not other/*"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with dev_server() as address:
        yield address


@pytest.fixture(scope="module")
def ports() -> range:
    """Return the declared ports, on which nothing listens, and one of another server."""
    return free_ports(3)


@pytest.fixture(scope="module")
def alpha(tmp_path_factory: pytest.TempPathFactory, server: str, ports: range) -> Tenant:
    """Return a deployment with a scoped apply role, whose databases do not run."""
    service, _ = sections(
        Endpoint(HOST, ports[0]),
        redis={"roles": {"default": {"rules": ["~a:*", "+get"], "ttl": "1m", "max_ttl": "2m"}}},
    )
    entry = {
        "database": f"{HOST}:{ports[0]}",
        "redis": {"address": f"{HOST}:{ports[1]}"},
        "password_policy": "long",
    }
    environment = {"services": {"shop": entry}, "password_policies": {"long": {"length": 32}}}
    folder: Path = tmp_path_factory.mktemp("alpha")
    found = Tenant(folder, "alpha", "shop", MOUNTS, service, environment, scoped=True)
    found.bootstrap(server)
    return found


@pytest.fixture
def session(alpha: Tenant, server: str) -> Iterator[Session]:
    with alpha.session(server) as found:
        yield found


def is_allowed(session: Session, path: str, body: dict[str, Any]) -> bool:
    """Return whether the policy allows the write, even if it fails after that."""
    try:
        session.post(path, body, retry=False)
    except AccessDenied:
        return False
    except StrongroomError:
        return True
    return True


def declared_resource(alpha: Tenant, kind: type[T]) -> T:
    """Return the only resource of *kind* that the deployment declares."""
    resources = (getattr(each, "resource", each) for each in alpha.resources())
    (found,) = (each for each in resources if isinstance(each, kind))
    return found


@openbao_only
def test_no_value_is_accepted_that_was_not_listed(server: str) -> None:
    rng = random.Random(40)  # noqa: S311 (values of a test)
    drawn, allowed, wrong = AllowedValue(server).count_accepted(rng, NEAR_VALUES)
    assert wrong == []
    assert drawn >= NEAR_VALUES
    assert allowed >= NEAR_VALUES / 60  # otherwise the server denies whatever it is sent


def test_override_that_ends_with_a_star_allows_its_own_text_only(
    alpha: Tenant, server: str, session: Session
) -> None:
    declared = replace(alpha.declare(), policy_templates={"service": HOSTILE})
    with root(server) as platform:
        text = scoped_apply_policy(declared, DEV)
        policy = Policy("alpha-apply", text, "alpha")
        policy.write(platform, policy.read(platform))
    own = Policy("shop-dev", render_policies(declared, DEV)["shop-dev"], "alpha").body()
    assert "other/*" in own
    for body in (own + EVIL, EVIL + own, own.rpartition("\n")[0] + EVIL, own + "\n"):
        assert not is_allowed(session, "sys/policies/acl/shop-dev", {"policy": body})
    assert is_allowed(session, "sys/policies/acl/shop-dev", {"policy": own})


def test_plan_names_a_policy_of_the_role_that_is_not_the_declared_one(
    alpha: Tenant, server: str
) -> None:
    name, declared = "alpha-apply", alpha.declare()
    with root(server) as platform:
        written = platform.get(f"sys/policies/acl/{name}")["data"]["policy"]
        for text, is_stale in (
            (scoped_apply_policy(declared, DEV), False),
            (scoped_apply_policy(declared, DEV) + EVIL, True),
            (scoped_apply_policy(declared, DEV).replace("# end", "# ended"), True),
        ):
            platform.post(f"sys/policies/acl/{name}", {"policy": text})
            assert bool([*find_stale_policy(platform, declared, DEV)]) is is_stale
        platform.post(f"sys/policies/acl/{name}", {"policy": written})


@pytest.mark.parametrize("kind", [DatabaseConnection, RedisConnection])
def test_stored_password_is_not_sent_to_another_server(
    alpha: Tenant,
    session: Session,
    ports: range,
    kind: type[DatabaseConnection | RedisConnection],
) -> None:
    resource = declared_resource(alpha, kind)
    path, declared = f"alpha/database/config/{resource.name}", resource.body()
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{HOST}:{ports[2]}/x?sslmode=disable"
    statements = ["ALTER ROLE \"{{username}}\" PASSWORD '{{password}}'"]
    with listen(ports[2]) as listener:
        for change in (
            {"connection_url": url},
            {"host": "localhost", "port": str(ports[2])},
            {"port": ports[2]},
            {"tls": True, "ca_cert": "x"},
            {"plugin_name": "mysql-database-plugin"},
            {"plugin_version": "v1.0.0"},
            {"username": "other"},
            {"username_template": "x"},
            {"password_policy": ""},
            {"password_authentication": "password"},
            {"allowed_roles": ["*"]},
            {"allowed_roles": "*"},
            {"verify_connection": False},
            {"verify_connection": "true"},
            {"root_rotation_statements": statements},
            {"disable_escaping": True},
        ):
            body: dict[str, Any] = {**declared, **change}
            assert not is_allowed(session, path, body), change
            assert not is_allowed(session, path, change), change
    assert listener.connections == 0
    assert is_allowed(session, path, declared)
    assert is_allowed(session, path, {**declared, "password": "given"})


def test_password_policy_is_written_as_declared_and_not_otherwise(
    alpha: Tenant, session: Session
) -> None:
    declared = declared_resource(alpha, PasswordPolicy)
    path = f"sys/policies/password/{declared.name}"
    weak = 'length = 4\nrule "charset" { charset = "a" }\n'
    for text in (weak, declared.body() + weak, declared.body().strip()):
        assert not is_allowed(session, path, {"policy": text})
    assert is_allowed(session, path, {"policy": declared.body()})
