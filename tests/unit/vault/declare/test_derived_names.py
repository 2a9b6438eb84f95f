"""Tests that two declared things never get the same name in Vault or PostgreSQL."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.render import render_policies
from vault.declare import load
from vault.declare.checks.derived_names import Claim, find_collisions
from vault.declare.declaration import Declaration
from vault.declare.schema.field_types import is_loopback
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import JOBS
from vault.declare.yaml.document import Document
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs

#: Kind of a resource → the first word of its kind in messages. A policy and the AppRole of the same
#: name are one claim, and so are a connection and its service.
NAMESPACES = {
    "approle": "policy",
    "transit-key": "Transit",
    "database-role": "database",
    "static-role": "database",
    "rate-limit": "rate",
    "password-policy": "password",
}
RESERVED = ("policy", "strongroom-")
Name = tuple[str, str]


def found(services: Mapping[str, Any], environments: Mapping[str, Any]) -> list[str]:
    """Return the collisions of a declaration, with the location in place of file and line."""

    def locate(claim: Claim) -> tuple[str, int]:
        return f"{claim.folder}/{claim.stem}.yaml", len(claim.loc)

    return [
        f"{each.claim.folder}/{each.claim.stem}.yaml: {each.describe(locate)}"
        for each in find_collisions(services, environments)
    ]


def running(*services: str, **deployment: Any) -> dict[str, Any]:
    return {"services": dict.fromkeys(services, deployment)}


class TestVault:
    """Names in Vault, which are joined from service, environment and part."""

    def test_key_of_two_environments_is_one_key(self) -> None:
        services: dict[str, Any] = {"a": {"keys": {"eu-pii": {}, "pii": {}}}}
        assert found(services, {"prod": running("a"), "prod-eu": running("a")}) == [
            (
                "services/a.yaml: keys.pii in prod-eu would use the Transit key 'a-prod-eu-pii', "
                "as would keys.eu-pii in prod at services/a.yaml:2 (expected names that also "
                "differ after they are joined with '-')"
            )
        ]

    def test_scopes_of_one_name_are_reported_once(self) -> None:
        service = {"keys": {"pii": {}}, "database": {"name": "x", "roles": {"default": {}}}}
        services = {"a": service, "a-prod": service}
        assert found(services, {"eu": running("a-prod"), "prod-eu": running("a")}) == [
            (
                "environments/prod-eu.yaml: services.a would use the policy 'a-prod-eu', as "
                "would services.a-prod at environments/eu.yaml:2 (expected names that also "
                "differ after they are joined with '-')"
            )
        ]

    def test_starter_is_named_as_what_it_is(self) -> None:
        (message,) = found({"a": {}}, {"dev": running("a"), "dev-starter": running("a")})
        assert "dev-starter.yaml: services.a would use the policy 'a-dev-starter'" in message
        assert "as would the starter of services.a at environments/dev.yaml:2 (" in message

    def test_colours_are_compared_with_each_other_and_with_starters(self) -> None:
        prod = running("a", colours=("green", "starter"))
        first, second = found({"a": {}}, {"prod": prod, "prod-green": running("a")})
        assert "services.a.colours[1] would use the policy 'a-prod-starter', as would" in first
        assert "services.a would use the policy 'a-prod-green', as would services.a.col" in second

    def test_roles_are_compared_with_paired_secrets(self) -> None:
        roles: dict[str, Any] = {"url-a": {}}
        services = {"a": {"database": {"name": "a", "roles": roles}}}
        prod = running("a", adopted={"url-b": {}}, paired={"url": {}})
        messages = found(services, {"prod": prod})
        ends = [message.partition(" would use the database role ")[2][:12] for message in messages]
        assert ends == ["'a-prod-url-a'"[:12]] * 2

    def test_roles_are_compared_with_adopted_secrets(self) -> None:
        roles: dict[str, Any] = {"default": {}, "url": {}, "eu": {}}
        services = {"a": {"database": {"name": "a", "roles": roles}}}
        prod = running("a", adopted={"url": {}, "eu/x": {}})
        messages = found(services, {"prod": prod, "prod-eu": running("a", adopted={"x": {}})})
        starts = [message.partition(", as would ")[0].split(" would use ") for message in messages]
        assert starts == [
            ["environments/prod.yaml: services.a.adopted.url", "the database role 'a-prod-url'"],
            [
                "services/a.yaml: database.roles.default in prod-eu",
                "the database role 'a-prod-eu'",
            ],
            ["environments/prod-eu.yaml: services.a.adopted.x", "the database role 'a-prod-eu-x'"],
        ]

    @pytest.mark.parametrize(
        ("service", "environment", "name"),
        [
            *[("strongroom", job.removeprefix("strongroom-"), job) for job in JOBS],
            ("strongroom-x", "dev", "strongroom-x-dev"),
            ("control", "group", "control-group"),
            ("response", "wrapping", "response-wrapping"),
        ],
    )
    def test_reserved_policy_is_rejected(self, service: str, environment: str, name: str) -> None:
        assert found({service: {}}, {environment: running(service)}) == [
            (
                f"environments/{environment}.yaml: services.{service} would use the policy "
                f"{name!r}, which is reserved (expected another name of the service)"
            )
        ]

    @pytest.mark.parametrize(
        ("key", "kind"), [("quotas", "rate limit"), ("password_policies", "password policy")]
    )
    def test_guards_of_two_environments_are_compared(self, key: str, kind: str) -> None:
        environments: dict[str, Any] = {"eu": {key: {"x-prod": {}}}, "prod-eu": {key: {"x": {}}}}
        (message,) = found({}, environments)
        start = f"environments/prod-eu.yaml: {key}.x would use the {kind} 'x-prod-eu', as would "
        assert message.startswith(f"{start}{key}.x-prod at environments/eu.yaml:2 (")

    def test_a_word_of_an_environment_alone_is_no_collision(self) -> None:
        services: dict[str, Any] = {"a-dev": {"keys": {"pii": {}}}, "a": {"keys": {"pii": {}}}}
        names = ("dev", "prod", "staging")
        assert found(services, {name: running("a", "a-dev") for name in names}) == []

    def test_service_that_does_not_run_there_is_no_collision(self) -> None:
        services: dict[str, Any] = {"a": {"keys": {"eu-pii": {}, "pii": {}}}, "b": {}}
        assert found(services, {"prod": running("a"), "prod-eu": running("b")}) == []

    @pytest.mark.parametrize("other", ["a", "No Name"], ids=["of another's name", "malformed"])
    def test_one_wrong_service_does_not_hide_those_after_it(self, other: str) -> None:
        services: dict[str, Any] = {"b": {"keys": {"eu-pii": {}, "pii": {}}}}
        environments = {
            "eu": running("a-prod"),
            "prod": running("b"),
            "prod-eu": running(other, "b"),
        }
        messages = found(services, environments)
        assert messages[-1].startswith("services/b.yaml: keys.pii in prod-eu would use the Transit")

    @pytest.mark.parametrize(
        "service", [{}, None, {"keys": None}, {"keys": {"No Key": {}}}, {"database": {"roles": 5}}]
    )
    def test_malformed_file_is_left_to_the_schema(self, service: Any) -> None:
        assert found({"a": service}, {"dev": running("a", "No Name"), "No Env": running("a")}) == []


class TestPostgres:
    """Roles and databases on one PostgreSQL server."""

    SERVER = "db.example.com:5432"
    SHOP: Mapping[str, Any] = {"shop": {"database": {"name": "shop"}}}

    def test_service_of_two_environments_on_one_server_is_rejected_once(self) -> None:
        prod, staging = (
            running("shop", database=text) for text in (self.SERVER, self.SERVER.upper())
        )
        assert found(self.SHOP, {"prod": prod, "staging": staging}) == [
            (
                "environments/staging.yaml: services.shop.database would use the PostgreSQL role "
                "'shop_manager', as would services.shop.database at environments/prod.yaml:3 "
                "(expected a separate database server, as each Vault changes its manager's "
                "password)"
            )
        ]

    def test_two_services_with_one_database_are_rejected(self) -> None:
        services = {**self.SHOP, "mail": self.SHOP["shop"]}
        assert found(services, {"dev": running("shop", "mail", database="127.0.0.1:5432")}) == [
            (
                "services/mail.yaml: database.name in dev would use the PostgreSQL database "
                "'shop', as would database.name in dev at services/shop.yaml:2 (expected a "
                "database of its own on 127.0.0.1:5432)"
            )
        ]

    @pytest.mark.parametrize(
        ("environment", "other", "is_rejected"),
        [
            ("dev", "localhost:5432", True),
            ("dev", "[::1]:5433", True),  # all of dev is on the local deployment's server
            ("qa", "localhost:5432", True),
            ("qa", "127.0.0.1:5433", False),
        ],
    )
    def test_loopback_addresses_in_one_environment_are_compared_by_port(
        self, environment: str, other: str, *, is_rejected: bool
    ) -> None:
        services = {**self.SHOP, "mail": self.SHOP["shop"]}
        deployed = running("shop", database="127.0.0.1:5432")
        deployed["services"]["mail"] = {"database": other}
        assert bool(found(services, {environment: deployed})) is is_rejected

    @pytest.mark.parametrize(
        "endpoint", ["127.0.0.1:5432", "localhost:5432", "[::1]:5432", None, 5]
    )
    def test_repeated_loopback_address_is_accepted(self, endpoint: object) -> None:
        environments = {name: running("shop", database=endpoint) for name in ("dev", "prod")}
        assert found(self.SHOP, environments) == []

    def test_other_server_or_service_is_accepted(self) -> None:
        services = {**self.SHOP, "mail": {"database": {"name": "mail"}}, "page": {}}
        environments = {
            "prod": running("shop", "mail", "page", database=self.SERVER),
            "staging": running("shop", database="db.example.com:5433"),
            "qa": running("page", database=self.SERVER),
        }
        assert found(services, environments) == []


_PARTS = st.sampled_from(("eu", "pii", "eu-pii", "a-dev"))
_SECRETS = ("eu", "pii", "eu-pii", "eu/pii", "eu_pii")
_SERVICES = st.sets(st.sampled_from(("a", "b")), min_size=1) | st.sets(
    st.sampled_from(("a", "a-dev", "strongroom", "control")), min_size=1
)
_ENVIRONMENTS = st.sets(st.sampled_from(("dev", "dev-eu", "eu")), min_size=1) | st.sets(
    st.sampled_from(("dev", "dev-starter", "eu", "dev-dev", "plan", "group")), max_size=3
)


def _service(draw: st.DrawFn, name: str) -> dict[str, Any]:
    roles = ("default", *draw(st.sets(_PARTS, max_size=2)))
    return {
        "service": name,
        "owner": "team",
        "description": "x",
        "keys": {part: {"allow": ("encrypt",)} for part in draw(st.sets(_PARTS))},
        "secrets": {secret: {"source": "given"} for secret in _SECRETS},
        "database": {
            "engine": "postgresql",
            "name": draw(st.sampled_from((name.replace("-", "_"), "shared"))),
            "roles": {role: {"ttl": "1h", "max_ttl": "1h"} for role in roles},
        },
    }


def _environment(draw: st.DrawFn, name: str, services: list[str]) -> dict[str, Any]:
    endpoints = st.sampled_from(("127.0.0.1:1", f"db-{name}:1", "db:1"))
    guards = st.sets(st.sampled_from(("pii", "pii-dev")), max_size=1)
    adopted = st.sets(st.sampled_from(_SECRETS), max_size=1)
    return {
        "environment": name,
        "owner": "team",
        "tokens": {"period": "1h", "secret_id_ttl": "1h", "wrap_ttl": "1m"},
        "agent": {"render_interval": "1m"},
        "quotas": {part: {"rate": 1} for part in draw(guards)},
        "password_policies": {part: {"length": 32} for part in draw(guards)},
        "services": {
            each: {
                "database": draw(endpoints),
                "adopted": {secret: {"username": "u"} for secret in draw(adopted)},
            }
            for each in draw(st.sets(st.sampled_from(services)))
        },
    }


@st.composite
def _declarations(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw the content of all files, by name. Only derived names can be wrong in them."""
    services = {name: _service(draw, name) for name in sorted(draw(_SERVICES))}
    environments = {
        name: _environment(draw, name, sorted(services)) for name in sorted(draw(_ENVIRONMENTS))
    }
    return services, environments


def _declaration(services: Mapping[str, Any], environments: Mapping[str, Any]) -> Declaration:
    """Return the declaration without the checks across files."""

    def parse(files: Mapping[str, Any]) -> dict[str, Document]:
        contents = {Path(f"{name}.yaml"): json.dumps(data) for name, data in files.items()}
        return load._parse_all({path: text.encode() for path, text in contents.items()})

    return load._declaration(parse(services), parse(environments), {}, Path())


def _vault_names(declared: Declaration, changed: EnvironmentDeclaration) -> Counter[Name]:
    declared = declared._with(changed)
    policies = render_policies(declared, changed.environment)
    resources = desired_resources(declared, changed.environment, policies, Inputs())
    return Counter(
        (NAMESPACES[each.kind], each.name) for each in resources if each.kind in NAMESPACES
    )


def _postgres_names(declared: Declaration) -> Iterator[Name]:
    for environment in declared.environments:
        for scope in declared.scopes(environment):
            endpoint = str(declared.deployment(scope).database)
            server = f"{endpoint} {environment if is_loopback(f'tcp://{endpoint}') else ''}"
            database = declared.service(scope.service).database
            yield "PostgreSQL", f"{server} database {getattr(database, 'name', '')}"
            for user in (scope.manager_role, scope.owner_role, scope.readonly_role):
                yield "PostgreSQL", f"{server} user {user}"
            yield "PostgreSQL", f"{server} user {scope.service.replace('-', '_')}_app"


def _ambiguous(declared: Declaration) -> set[str]:
    """Return the namespaces with a collision, from all names that apply and the runtime create."""
    every = Counter(_postgres_names(declared))
    shared = {("policy", "control-group")}
    for each in declared.environments.values():
        empty: dict[str, Any] = {"services": {}, "quotas": {}, "password_policies": {}}
        base = _vault_names(declared, each.model_copy(update=empty))
        shared |= base.keys()
        every += _vault_names(declared, each) - base
    found = {space for (space, _), count in every.items() if count > 1}
    found |= {space for space, _ in shared & every.keys()}
    return found | {"policy" for space, name in every if (space, name[:11]) == RESERVED}


@given(_declarations())
def test_collisions_are_those_of_a_comparison_of_all_names(
    files: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    kinds = {each.claim.kind.split()[0] for each in find_collisions(*files)}
    ambiguous = _ambiguous(_declaration(*files))
    # Of a service that has another's names throughout, only the first collision is returned.
    assert kinds == ambiguous or ("policy" in kinds and kinds <= ambiguous)
