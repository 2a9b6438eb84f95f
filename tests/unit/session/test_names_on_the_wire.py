"""Requests that a real HTTP server receives for hostile names: all stay below the prefix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_integration.auth.methods import StaticToken
from app_integration.errors import InvalidName, StrongroomError
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.sources.vault import VaultSource
from tests.support.servers.local_server import Server, serve

SCOPE: Final = Scope("shop", Environment.PROD)
PREFIX: Final = "/v1/secret/data/shop/prod/"
FUZZED: Final = 500
ANSWER: Final = {"data": {"data": {"value": "v", "user": "u"}, "metadata": {"version": 1}}}

HOSTILE: Final = (
    *("..", ".", "/", "//", "../..", "../../sys/mounts", "a/../b", "a/./b", "a//b", "/a", "a/"),
    *("%2e%2e", "%2e%2e%2fsys%2fmounts", "..%2f..%2fsys", "a%2fb", "%00", "a%0d%0aX: y"),
    *("a?b", "a?version=1", "?", "a#b", "#", "a;b", "a&b", "a=b", "a\\..\\b", "\\..\\.."),
    *("\0", "a\0b", "a\nb", "a\r\nX-Vault-Token: t", "a\tb", " ", "a b", "a\u00a0b", "\u200b"),
    *("\u2024\u2024/sys", "\uff0e\uff0e/sys", "a\uff0fb", "a\u2215b", "a\u2044b", "\u3002\u3002"),
    *("ａ", "á", "a\u0301", "İ", "ſ", "K", "\ud800", "A", "-a", "a-", "_a", "a_/b"),  # noqa: RUF001 (look-alikes are the point)
    *("http://other/v1/x", "//other/v1/x", "@other", "a:b", "*", "+", "a*", "{{a}}", "$(a)", ""),
    *("a" * 257, "a/" * 5000 + "a", "." * 10_000, "../" * 3000),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(Server(content=json.dumps(ANSWER).encode())) as started:
        yield started


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def store(server: Server, lines: list[str]) -> Iterator[SecretStore]:
    with Session(server.address, StaticToken(Secret("token"))) as session:
        audit = AuditLog(SCOPE, lines.append)
        source = VaultSource(session, SCOPE)
        secrets = SecretStore([source], audit, registry=redaction.SecretRegistry())
        yield secrets
        secrets.close()


def paths(server: Server) -> list[str]:
    return [request.partition(" ")[2] for request, _ in server.seen]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_rejected_without_request(
    store: SecretStore, server: Server, name: str
) -> None:
    before = len(server.seen)
    for ask in (
        lambda: store.get(name, default=None),
        lambda: store.get(name, version=1, field="user", force_refresh=True),
        lambda: store.require([name]),
        lambda: store.current_and_previous(name),
        lambda: store.on_change(name, print),
        lambda: store.get_info(name),
    ):
        with pytest.raises(InvalidName):
            ask()
    assert len(server.seen) == before
    assert store.fetcher.watchers.names == frozenset()


#: Texts of any kind, those that nearly fit, and those that fit.
ANY: Final = (
    st.text(max_size=60)
    | st.text("ab-_/.%2e?#:\\@\0\n\u2024\uff0e", max_size=40)
    | st.lists(st.sampled_from(["a", "..", ".", "", "b-c", "%2e", "v2", "_"]), max_size=6).map(
        "/".join
    )
    | st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?(/[a-z0-9]){0,3}", fullmatch=True)
)


@settings(max_examples=FUZZED, suppress_health_check=list(HealthCheck))
@given(name=ANY, version=st.none() | st.integers(1, 99), field=st.none() | st.just("user"))
def test_request_for_any_name_stays_below_prefix_of_service(
    store: SecretStore, server: Server, name: str, version: int | None, field: str | None
) -> None:
    with suppress(StrongroomError):
        store.get(name, version=version, field=field, force_refresh=True)
    for path in paths(server):
        assert path.startswith(PREFIX)
        bare, _, query = path.partition("?")
        assert not {"", ".", ".."} & set(bare.removeprefix(PREFIX).split("/"))
        assert "%" not in bare
        assert query == "" or query.removeprefix("version=").isdigit()
    server.seen.clear()


def test_access_record_of_any_name_is_one_line(store: SecretStore, lines: list[str]) -> None:
    # Requested, also if the test before ended with a version that the server did not have.
    store.get("a", field='","outcome":"forged', default=None, force_refresh=True)
    for line in lines:
        assert "\n" not in line
        assert json.loads(line)["service"] == "shop"
    assert json.loads(lines[-1])["outcome"] == "default"
