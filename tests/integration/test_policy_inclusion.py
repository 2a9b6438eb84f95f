"""Widenings of policies that were planted: each is found, and the server confirms its request."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest
import requests

from policies.acl.acl import Acl
from policies.acl.inclusion import Witness, find_widenings, includes
from policies.acl.policy import read_policy
from policies.acl.policy_set import PolicySet
from tests.support.servers.dev_server import ROOT_TOKEN, dev_server

pytestmark = pytest.mark.requires("embedded")

PLANTED: Final = 500
SEED: Final = 20261204
_CAPABILITIES: Final = ("create", "read", "update", "patch", "delete", "list", "scan")
_METHODS: Final = {"create": "PUT", "update": "PUT", "read": "GET"}


@dataclass(frozen=True)
class Rule:
    """A rule as a test writes it."""

    path: str
    capabilities: tuple[str, ...]
    limits: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = ", ".join(f'"{each}"' for each in self.capabilities)
        limits = "".join(f"\n  {key} = {_to_hcl(value)}" for key, value in self.limits.items())
        return f'path "{self.path}" {{\n  capabilities = [{words}]{limits}\n}}\n'


def _to_hcl(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_to_hcl(each)}' for key, each in value.items()) + "}"
    return "[" + ", ".join(f'"{each}"' for each in value) + "]"


def make_rules(chance: random.Random) -> list[Rule]:
    """Return rules of a policy: literal, with wildcards, closer than others, denied, limited."""
    granted = tuple(sorted(chance.sample(_CAPABILITIES, chance.randint(1, 4))))
    limits: dict[str, Any] = {"allowed_parameters": {"mode": ["fast", "slow*"], "size": []}}
    if chance.random() < 0.5:
        limits = {"denied_parameters": {"mode": ["raw"]}, "required_parameters": ["size"]}
    return [
        Rule("kv/app/db", granted),
        Rule("kv/app/+/key", ("read",)),
        Rule(f"kv/{chance.choice(('logs', 'log/s'))}/*", ("list", "read")),
        Rule("kv/logs/secret", ("deny",)),
        Rule("kv/log/s/secret", ("deny",)),
        Rule("kv/jobs/run", ("create", "update"), limits),
    ]


def widen(rules: list[Rule], chance: random.Random) -> list[Rule]:
    """Return *rules* with one that allows more."""
    first, *_, logs, _, _, jobs = rules
    denied = next(
        each
        for each in rules
        if each.capabilities == ("deny",) and each.path.startswith(logs.path[:-1])
    )
    missing = [each for each in _CAPABILITIES if each not in first.capabilities]
    changed = chance.choice(
        [
            (first, replace(first, path=chance.choice(("kv/app/+", "kv/+/db", "kv/app/d*")))),
            (first, replace(first, capabilities=(*first.capabilities, chance.choice(missing)))),
            (denied, None),
            (jobs, replace(jobs, limits=_widen_limits(jobs.limits, chance))),
        ]
    )
    return [each for each in (changed[1] if each is changed[0] else each for each in rules) if each]


def _widen_limits(limits: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    if "allowed_parameters" in limits:
        allowed = limits["allowed_parameters"]
        more = chance.choice(
            [{"mode": [*allowed["mode"], "raw"]}, {"mode": ["fas*", "slow*"]}, {"other": []}]
        )
        return {"allowed_parameters": {**allowed, **more}}
    return {key: limits[key] for key in chance.sample(sorted(limits), 1)}


def rewrite(rules: list[Rule], chance: random.Random) -> list[Rule]:
    """Return other rules that allow the same."""
    changed = list(rules)
    chance.shuffle(changed)
    first, second = rules[0], rules[1]
    changed += chance.choice(
        [
            [Rule(first.path, (each,)) for each in first.capabilities],
            [Rule("/kv/app/db", first.capabilities)],
            [Rule("kv/app/x/key", second.capabilities)],
            [Rule("kv/jobs/run", ("update",), rules[-1].limits)],
            [Rule("kv/logs/secret", ("read",)), Rule("kv/log/s/secret", ("list",))],
        ]
    )
    return changed


def text_of(rules: list[Rule]) -> str:
    return "".join(map(str, rules))


def acl(rules: list[Rule]) -> Acl:
    return PolicySet([read_policy("app", text_of(rules))]).acl(["app"])


@dataclass
class Server:
    """A server with a KV mount of version 1."""

    address: str
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, token: str, **given: Any) -> requests.Response:
        headers = {"X-Vault-Token": token}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
            given = {"data": json.dumps(given.get("json", {}))}
        return self.session.request(
            method, f"{self.address}/v1/{path}", headers=headers, timeout=30, **given
        )

    def login(self, rules: list[Rule], name: str) -> str:
        """Return a token that has a policy of *rules* alone."""
        text = {"policy": text_of(rules)}
        self.ask("PUT", f"sys/policies/acl/{name}", ROOT_TOKEN, json=text).raise_for_status()
        body = {"policies": [name], "no_default_policy": True}
        created = self.ask("POST", "auth/token/create", ROOT_TOKEN, json=body)
        return str(created.json()["auth"]["client_token"])

    def allows(self, token: str, witness: Witness) -> bool:
        """Return whether the server carries the request out, or refuses it for another reason."""
        if witness.path.endswith("/") and witness.operation not in {"list", "scan"}:
            # A write there always is a create for the mount.
            body = {"paths": [witness.path]}
            found = self.ask("POST", "sys/capabilities-self", token, json=body)
            if found.status_code == 403:
                found = self.ask(
                    "POST", "sys/capabilities", ROOT_TOKEN, json={**body, "token": token}
                )
            return witness.operation in found.json()[witness.path]
        if witness.operation in {"create", "update"}:
            method = "PUT" if witness.operation == "update" else "DELETE"
            self.ask(method, witness.path, ROOT_TOKEN, json={"there": "yes"}).raise_for_status()
        method = _METHODS.get(witness.operation, witness.operation.upper())
        place = "params" if method == "GET" else "json"
        given = {place: dict(witness.parameters)} if witness.parameters else {}
        return self.ask(method, witness.path, token, **given).status_code != 403


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with dev_server() as address:
        server = Server(address)
        mounted = server.ask("POST", "sys/mounts/kv", ROOT_TOKEN, json={"type": "kv"})
        mounted.raise_for_status()
        yield server


def test_each_planted_widening_is_found_and_the_server_confirms_it(server: Server) -> None:
    chance = random.Random(SEED)  # noqa: S311 (policies, not keys)
    for _ in range(PLANTED):
        before = make_rules(chance)
        after = widen(before, chance)
        found = includes(acl(before), acl(after))
        assert isinstance(found, Witness), (text_of(before), text_of(after), found)
        old, new = server.login(before, "before"), server.login(after, "after")
        assert not server.allows(old, found), (text_of(before), str(found))
        assert server.allows(new, found), (text_of(after), str(found))


def test_harmless_rewriting_raises_no_alarm() -> None:
    chance = random.Random(SEED)  # noqa: S311 (policies, not keys)
    for _ in range(PLANTED):
        before = make_rules(chance)
        after = rewrite(before, chance)
        assert list(find_widenings(acl(before), acl(after))) == [], text_of(after)
