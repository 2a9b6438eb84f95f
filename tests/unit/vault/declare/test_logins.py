"""Auth methods, logins and groups, as they are read from an environment's file."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_integration.names import Environment, Scope
from policies.render import render_policies
from tests.unit.vault.conftest import BASE
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.declare.load import check, load, read
from vault.declare.schema.logins import Group, Jobs
from vault.reconcile.desired import identities
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs

PROD = """\
environment: prod
owner: platform@example.com
vault:
  address: https://vault.example.com:8200
tokens: {period: 1h, secret_id_ttl: 30d, wrap_ttl: 2m}
agent:
  render_interval: 5m
  login: jwt
  token_file: /run/strongroom/jwt
auth:
  jwt:
    issuer: https://ci.example.com
    keys: [ci.pem]
  kubernetes:
    host: https://cluster.example.com:6443
    ca: ca.pem
  cert:
    ca: ca.pem
  oidc:
    discovery: https://login.example.com
    client_id: strongroom
    roles:
      default:
        redirect_uris: [http://localhost:8250/oidc/callback]
groups:
  operators:
    claim: platform-team
    policies: [strongroom-plan]
services:
  shop:
    database: postgres.example.com:5432
    settings:
      mail-host: mail.example.com
    login:
      jwt:
        audience: strongroom
        subject: shop
      kubernetes:
        namespaces: [shop]
        service_accounts: [web]
      cert:
        names: [shop.example.com]
"""


@pytest.fixture
def declared(root: Path) -> Declaration:
    """Return the valid declaration of tests/faults, with every auth method in prod."""
    (root / "environments/prod.yaml").write_text(PROD)
    return load(root, root / "templates")


def test_auth_methods_are_loaded_with_keys_and_certificates(declared: Declaration) -> None:
    auth = declared.environment("prod").auth
    assert auth.jwt is not None
    assert auth.jwt.keys == ("ci.pem",)
    assert declared.pems["ci.pem"].startswith("-----BEGIN PUBLIC KEY-----")
    assert auth.cert is not None
    assert "BEGIN CERTIFICATE" in declared.pems[auth.cert.ca]
    assert auth.oidc is not None
    assert (auth.oidc.user_claim, auth.oidc.groups_claim) == ("sub", "groups")
    assert declared.environment("prod").groups["operators"].policies == ("strongroom-plan",)


def test_login_is_as_declared_or_approle_by_default(declared: Declaration) -> None:
    prod = declared.deployment(Scope("shop", Environment.PROD)).login
    assert prod.approle is None
    assert prod.jwt is not None
    assert (prod.jwt.audience, prod.jwt.subject) == ("strongroom", "shop")
    dev = declared.deployment(Scope("shop", Environment.DEV)).login
    assert dev.approle is not None
    assert dev.jwt is None


def test_service_without_approle_has_no_approle_and_no_starter_policy(
    declared: Declaration,
) -> None:
    policies = render_policies(declared, Environment.PROD)
    assert {"shop-prod", "strongroom-plan"} <= set(policies)
    assert "shop-prod-starter" not in policies
    resources = desired_resources(declared, Environment.PROD, policies, Inputs())
    roles = {each.kind for each in resources if each.name == "shop-prod"}
    assert {"policy", "jwt-role", "kubernetes-role", "cert-role"} <= roles
    assert "approle" not in roles


def test_jwt_role_and_group_have_only_declared_fields(declared: Declaration) -> None:
    resources = desired_resources(declared, Environment.PROD, {}, Inputs())
    (role,) = (each.desired() for each in resources if each.kind == "jwt-role")
    assert role["bound_audiences"] == ["strongroom"]
    assert role["bound_subject"] == "shop"
    assert role["token_policies"] == ["shop-prod"]
    assert role["token_no_default_policy"]
    (group,) = (each.desired() for each in resources if each.kind == "group")
    assert group["policies"] == ["strongroom-plan"]
    assert group["alias"] == "platform-team"


def test_role_of_a_job_has_its_policy_for_fifteen_minutes(declared: Declaration) -> None:
    claims = {"repository": "shop/secrets", "event_name": ("push", "pull_request")}
    jobs = Jobs.model_validate({"plan": {"jwt": {"audience": "vault", "claims": claims}}})
    prod = declared.environment("prod").model_copy(update={"jobs": jobs, "deployment": "shop"})
    (role,) = (each.desired() for each in identities.job_roles(prod, (), 900))
    assert role["bound_claims"] == {
        "repository": "shop/secrets",
        "event_name": ["pull_request", "push"],
    }
    assert role["token_policies"] == ["shop-plan"]
    assert role["token_max_ttl"] == 900
    assert role["token_no_default_policy"]


def test_developer_policy_exists_only_for_people_or_groups_that_use_it(
    declared: Declaration,
) -> None:
    dev = declared.environment("dev")
    groups = {"all": Group(claim="all", policies=("developer",))}
    for changed, expected in (({"people": {}}, False), ({"people": {}, "groups": groups}, True)):
        environments = {**declared.environments, Environment.DEV: dev.model_copy(update=changed)}
        policies = render_policies(replace(declared, environments=environments), Environment.DEV)
        assert ("developer" in policies) == expected


@settings(max_examples=60)
@given(
    place=st.integers(0, len(PROD)),
    gone=st.integers(0, 40),
    snippet=st.sampled_from(
        ["", "{", "}", "[", "]", ": ", "\n", "  ", "- ", "~", "1", "jwt: ", "[a]"]
    ),
)
def test_damaged_file_is_accepted_or_raises_declaration_error(
    place: int, gone: int, snippet: str
) -> None:
    files = read(BASE)
    (path,) = (each for each in files.environments if each.stem == "prod")
    damaged = (PROD[:place] + snippet + PROD[place + gone :]).encode()
    changed = replace(files, environments={**files.environments, path: damaged})
    try:
        check(changed, BASE / "templates")
    except DeclarationError as error:
        lines = [fault.line for fault in error.errors if fault.file.endswith(path.name)]
    else:
        lines = []
    assert max(lines, default=0) <= len(damaged.decode().splitlines()) + 1
