"""HCL parser compared with the server, on the same texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app_integration.errors import RequestRefused
from app_integration.session.session import Session
from tests.support.servers.dev_server import dev_server, root
from tests.support.servers.server_program import openbao_only
from vault.reconcile.hcl.policy_rules import parse_rules

pytestmark = pytest.mark.requires("embedded")

FOLDER = Path(__file__).parents[1] / "faults" / "hcl"
#: The server accepts these, and ignores their faults.
STRICTER = {"json-without-brace", "key-twice", "path-without-name"}


@pytest.fixture(scope="module")
def server() -> Iterator[Session]:
    with dev_server() as address, root(address) as session:
        yield session


def is_accepted(session: Session, text: str) -> bool:
    try:
        session.post("sys/policies/acl/tried", {"policy": text})
    except RequestRefused:
        return False
    return True


@openbao_only
def test_policy_rejected_by_the_parser_is_rejected_by_the_server_except_three(
    server: Session,
) -> None:
    policies = sorted(FOLDER.glob("*.hcl"))
    taken = {each.stem for each in policies if is_accepted(server, each.read_text())}
    assert taken == STRICTER


@pytest.mark.parametrize(
    "text",
    [
        '/* a */ path "/a" { // b\n capabilities = ["read",], # c\n min_wrapping_ttl = 90 }',
        'path "a" {\n  comment = <<-END\n    why } this\n    END\n  policy = "write"\n}',
        'path "a" { capabilities = ["update"] allowed_parameters { "*" = [], ttl = ["1h", 2] } }',
        pytest.param(
            'path "a" { policy = "read" pagination_limit = 5 expiration = "2090-01-01T00:00:00Z" }',
            marks=openbao_only,
        ),
        pytest.param('path "a" { capabilities = ["scan"] }', marks=openbao_only),
        '{"path": {"a": {"capabilities": ["read"], "required_parameters": ["x"]}}}',
        'name = "x" path "a\\x41\\u00e9/+/b*" { capabilities = ["deny"] }',
    ],
)
def test_policy_accepted_by_the_parser_is_accepted_by_the_server(
    server: Session, text: str
) -> None:
    assert parse_rules(text)
    assert is_accepted(server, text)
