"""What is said of policies here, against what the server says of the same texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app_integration.errors import RequestRefused
from app_integration.session.session import Session
from tests.support.servers.dev_server import dev_server, root
from vault.reconcile.hcl.policy_rules import parse_rules

pytestmark = pytest.mark.requires("embedded")

FOLDER = Path(__file__).parents[1] / "faults" / "hcl"
#: The server takes these, and ignores what is wrong with them.
STRICTER = {"json-without-brace", "key-twice", "path-without-name"}


@pytest.fixture(scope="module")
def server() -> Iterator[Session]:
    with dev_server() as address, root(address) as session:
        yield session


def accepted(session: Session, text: str) -> bool:
    try:
        session.post("sys/policies/acl/tried", {"policy": text})
    except RequestRefused:
        return False
    return True


def test_what_is_refused_here_is_refused_by_the_server_but_for_three(server: Session) -> None:
    policies = sorted(FOLDER.glob("*.hcl"))
    taken = {each.stem for each in policies if accepted(server, each.read_text())}
    assert taken == STRICTER


@pytest.mark.parametrize(
    "text",
    [
        '/* a */ path "/a" { // b\n capabilities = ["read",], # c\n min_wrapping_ttl = 90 }',
        'path "a" {\n  comment = <<-END\n    why } this\n    END\n  policy = "write"\n}',
        'path "a" { capabilities = ["update"] allowed_parameters { "*" = [], ttl = ["1h", 2] } }',
        'path "a" { policy = "read" pagination_limit = 5 expiration = "2090-01-01T00:00:00Z" }',
        '{"path": {"a": {"capabilities": ["read", "scan"], "required_parameters": ["x"]}}}',
        'name = "x" path "a\\x41\\u00e9/+/b*" { capabilities = ["deny"] }',
    ],
)
def test_what_is_read_here_is_taken_by_the_server(server: Session, text: str) -> None:
    assert parse_rules(text)
    assert accepted(server, text)
