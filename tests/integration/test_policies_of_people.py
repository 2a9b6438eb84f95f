"""Decisions about the policies of people: templates, approvals, and namespaces, as the server's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from policies.acl.acl import Acl
from policies.acl.default_policy import DEFAULT_POLICY
from policies.acl.identity import Alias, Group, Identity
from policies.acl.policy import read_policy
from policies.acl.policy_set import PolicySet
from policies.acl.root_paths import needs_sudo
from tests.support.servers.policy_server import PolicyServer, policy_server
from tests.support.servers.server_program import openbao_only
from vault.reconcile.hcl.policy_rules import parse_rules

pytestmark = pytest.mark.requires("embedded")

_OPS: Final = "ops"
_NAMESPACE: Final = "team/"


@dataclass(frozen=True)
class Person:
    """A person who has logged in, and what the server knows of her."""

    token: str
    identity: Identity


class People:
    """People, and the server on which they log in."""

    def __init__(self, server: PolicyServer) -> None:
        self.server = server
        server.ask("POST", "sys/auth/userpass", json={"type": "userpass"}).raise_for_status()
        self._accessor = server.ask("GET", "sys/auth").json()["userpass/"]["accessor"]

    @property
    def accessor(self) -> str:
        return str(self._accessor)

    def log_in(self, name: str, policy: str, metadata: Mapping[str, str] | None = None) -> Person:
        """Return a person who has *policy* as her only one besides ``default``."""
        self._ask("PUT", f"sys/policies/acl/of-{name}", policy=policy)
        user = {"password": "any", "token_policies": [f"of-{name}"]}
        self._ask("POST", f"auth/userpass/users/{name}", **user)
        entity = self._ask("POST", f"auth/userpass/login/{name}", password="any")["auth"]
        entity_id = entity["entity_id"]
        changed = {"name": f"{name}-entity", "metadata": dict(metadata or {})}
        self._ask("POST", f"identity/entity/id/{entity_id}", **changed)
        found = self._ask("GET", f"identity/entity/id/{entity_id}")["data"]
        groups = [
            self._ask("GET", f"identity/group/id/{each}")["data"] for each in found["group_ids"]
        ]
        alias = Alias(found["aliases"][0]["id"], name)
        return Person(
            entity["client_token"],
            Identity(
                entity_id,
                found["name"],
                found["metadata"] or {},
                {self.accessor: alias},
                tuple(Group(each["id"], each["name"], each["metadata"]) for each in groups),
            ),
        )

    def join(self, *people: Person) -> None:
        """Make *people* the members of the group."""
        ids = [each.identity.id for each in people]
        group = {"name": _OPS, "member_entity_ids": ids, "metadata": {"tier": "one"}}
        self._ask("POST", "identity/group", **group)

    def _ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"json": body} if body else {}
        response = self.server.ask(method, path, **given)
        assert response.ok, (path, response.text)
        return dict(response.json()) if response.content else {}


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    with policy_server() as server:
        yield People(server)


def _acl(person: Person, policy: str) -> Acl:
    policies = PolicySet([read_policy("app", policy)])
    return policies.acl(["app", "default"], person.identity)


def _rule(path: str, *, more: str = "") -> str:
    return f'path "{path}" {{ capabilities = ["read"] {more} }}\n'


_TEMPLATES: Final = (
    *("identity.entity.id", "identity.entity.name", "identity.entity.metadata.team"),
    *("identity.entity.metadata.other", "identity.entity.aliases.ACCESSOR.name"),
    *("identity.entity.aliases.ACCESSOR.id", "identity.entity.aliases.other.name"),
    *("identity.groups.names.ops.id", "identity.groups.names.ops.name", "identity.entity.other"),
    *("identity.groups.names.ops.metadata.tier", "identity.groups.names.other.id", "anything"),
)


def test_templates_stand_for_the_text_that_the_server_has(people: People) -> None:
    people.join(people.log_in("ann", _rule("any")))
    templates = [each.replace("ACCESSOR", people.accessor) for each in _TEMPLATES]
    policy = "".join(
        _rule(f"k1/{number}/{{{{{template}}}}}/*") for number, template in enumerate(templates)
    )
    person = people.log_in("ann", policy, {"team": "blue"})
    identity = person.identity
    texts = (
        *(identity.id, identity.name, "blue", "ann", identity.aliases[people.accessor].id),
        *(identity.groups[0].id, _OPS, "one", ""),
    )
    paths = [f"k1/{number}/{text}/x" for number in range(len(templates)) for text in texts]
    acl = _acl(person, policy)
    decided = {path: acl.capabilities(path) for path in paths}
    assert decided == people.server.capabilities(person.token, paths)
    assert sum(words == ("read",) for words in decided.values()) == 8


@pytest.mark.parametrize("text", ["fo*", "f+", "+", "a/b"])
def test_forbidden_text_of_a_template_refuses_every_request(people: People, text: str) -> None:
    policy = _rule("k1/{{identity.entity.metadata.team}}/x") + _rule("k1/plain")
    person = people.log_in("eve", policy, {"team": text})
    decided = _acl(person, policy)
    assert not decided.evaluate("k1/plain", "read").allowed
    response = people.server.ask("GET", "k1/plain", person.token)
    assert response.status_code == 400


@openbao_only
@pytest.mark.parametrize("asked", [1, 2])
@pytest.mark.parametrize("given", [0, 1, 2])
def test_request_is_carried_out_after_the_approvals_that_a_rule_asks_for(
    people: People, asked: int, given: int
) -> None:
    approvers = _rule("sys/control-group/*").replace("read", "update")
    judges = [people.log_in(name, approvers) for name in ("bob", "cid")]
    people.join(*judges)
    identity = f'identity {{ group_names = ["{_OPS}"] approvals = {asked} }}'
    factor = f'factor "two" {{ controlled_capabilities = ["read"] {identity} }}'
    policy = _rule("k1/a", more=f'control_group = {{ ttl = "1h" {factor} }}')
    person = people.log_in("dan", policy)
    people.server.ask("PUT", "k1/a", json={"x": "y"}).raise_for_status()
    wrapped = people.server.ask("GET", "k1/a", person.token).json()["wrap_info"]
    for judge in judges[:given]:
        body = {"accessor": wrapped["accessor"]}
        people.server.ask("POST", "sys/control-group/authorize", judge.token, json=body)
    found = people.server.ask("POST", "sys/wrapping/unwrap", wrapped["token"])
    decision = _acl(person, policy).evaluate("k1/a", "read", approvals=given)
    assert decision.allowed == (found.status_code == 200)


@openbao_only
def test_policies_of_a_namespace_are_about_its_own_paths(people: People) -> None:
    server, headers = people.server, {"X-Vault-Namespace": _NAMESPACE}
    server.ask("POST", "sys/namespaces/team").raise_for_status()
    text = _rule("k1/*") + _rule("sys/raw")
    server.ask("PUT", "sys/policies/acl/inner", headers=headers, json={"policy": text})
    body = {"policies": ["inner"], "no_default_policy": True}
    created = server.ask("POST", "auth/token/create", headers=headers, json=body).json()
    token = created["auth"]["client_token"]
    paths = ["k1/a", "sys/raw", "other"]
    asked = {"token": token, "paths": paths}
    found = server.ask("POST", "sys/capabilities", headers=headers, json=asked).json()["data"]
    acl = PolicySet([read_policy("inner", text, namespace=_NAMESPACE)]).acl([f"{_NAMESPACE}inner"])
    assert {path: tuple(found[path]) for path in paths} == {
        path: acl.capabilities(_NAMESPACE + path) for path in paths
    }
    assert not acl.evaluate(f"{_NAMESPACE}sys/raw", "read").allowed


def test_default_policy_is_the_one_of_a_new_server(people: People) -> None:
    found = people.server.ask("GET", "sys/policies/acl/default").json()["data"]["policy"]
    assert {each.rule for each in DEFAULT_POLICY.origins} == parse_rules(found)


def test_paths_that_need_sudo_are_those_that_the_server_declares(people: People) -> None:
    document = people.server.ask("GET", "sys/internal/specs/openapi").json()["paths"]
    declared = {path for path, described in document.items() if described.get("x-vault-sudo")}
    assert declared
    assert {path for path in document if needs_sudo(path.lstrip("/"), ())} == declared
