"""Needs of a service, and the policy that grants them and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.errors import ConfigurationError
from app_integration.permissions import Need
from console.views.policy_changes import find_more
from policies.needs.code_uses import Use
from policies.needs.sdk_names import Kind
from policies.needs.service_needs import Service, make_minimal
from tests.support.models.declaration_files import write_declaration
from tests.support.models.declared import SCOPE

TEMPLATE: Final = '{\n  "token": {{ secret("token") }}\n}\n'
SHOP: Final = {
    "service": "shop",
    "owner": "shop-team",
    "description": "Sells things.",
    "secrets": {
        name: {"source": "generated", "length": 48} for name in ("token", "mail-a", "mail-b")
    },
    "keys": {"pii": {"allow": ["encrypt", "decrypt"], "description": "Mail."}},
    "config": {"template": "shop.json.j2", "model": "shop.config:Config"},
}
ENVIRONMENT: Final = {
    "environment": "dev",
    "owner": "platform-team",
    "vault": {"address": "http://127.0.0.1:8200"},
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
    "services": {"shop": {"login": {"approle": {}}}},
}


def make_service(folder: Path, **declared: Any) -> Service:
    files = {"templates/shop/shop.json.j2": TEMPLATE}
    return Service(write_declaration(folder, ENVIRONMENT, SHOP | declared, files=files), SCOPE)


def use(name: str, kind: Kind = Kind.SECRET, *operations: str) -> Use:
    return Use(kind, name, operations or ("read-secret",), True, "app.py:7", "get_secret()")


PII: Final = use("pii", Kind.KEY, "encrypt", "decrypt")


def find_excess(service: Service, *uses: Use) -> list[str]:
    minimal = make_minimal(service.policy.name, service.find_needs(uses))
    return [each.text for each in find_more(minimal, service.policy)]


def test_need_of_a_template_names_its_line(tmp_path: Path) -> None:
    needs = {each.need.path: each.place for each in make_service(tmp_path).find_needs([])}
    assert needs["secret/data/shop/dev/token"] == f"{tmp_path}/templates/shop/shop.json.j2:2"


def test_need_of_code_names_its_line(tmp_path: Path) -> None:
    needs = {each.need: each.place for each in make_service(tmp_path).find_needs([use("mail-a")])}
    assert needs[Need("secret/data/shop/dev/mail-a", "read")] == "app.py:7"


def test_unknown_part_may_be_each_declared_name(tmp_path: Path) -> None:
    needs = make_service(tmp_path).find_needs([use("mail-*")])
    paths = [each.need.path for each in needs if each.place == "app.py:7"]
    assert paths == ["secret/data/shop/dev/mail-a", "secret/data/shop/dev/mail-b"]


def test_policy_of_which_all_is_used_has_no_excess(tmp_path: Path) -> None:
    assert find_excess(make_service(tmp_path), use("*"), PII) == []


def test_rule_that_nothing_uses_is_excess(tmp_path: Path) -> None:
    assert find_excess(make_service(tmp_path), use("mail-a"), PII) == [
        "read on secret/data/shop/dev/mail-b (shop-dev:7)"
    ]


def test_name_that_is_not_declared_is_not_granted(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    assert service.grants(use("token"))
    assert not service.grants(use("tokens"))
    assert not service.grants(use("pii", Kind.KEY, "encrypt", "rewrap"))


def test_name_that_no_secret_can_have_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^app\.py:7: "):
        make_service(tmp_path).needs_of(use("../token"))
