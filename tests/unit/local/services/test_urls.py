"""URLs of local servers in secrets: those of this deployment get its current ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import RequestRefused
from app_integration.mounts import Mounts
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing import policies
from app_integration.testing.memory_vault import ADDRESS, MemoryVault
from app_integration.transport.request import Request, Response
from local.services.urls import move, update_ports, with_placeholders

URL = "postgresql+psycopg://shop_app:p%40ss@127.0.0.1:15432/shop"


@pytest.mark.parametrize(
    "stored", [URL, f"{URL}?sslmode=disable", "redis://:secret@127.0.0.1:15432/0", "http://h:15432"]
)
def test_moved_url_has_the_current_port_and_keeps_the_rest(stored: str) -> None:
    current = stored.partition("?")[0].replace("15432", "25432")
    assert move(stored, current) == stored.replace("15432", "25432")


def test_url_with_the_current_port_is_not_written_again() -> None:
    assert move(URL, URL) is None


@pytest.mark.parametrize(
    "stored",
    [
        URL.replace("shop_app", "other"),
        URL.replace("p%40ss", "other"),
        URL.replace("127.0.0.1", "db.example.com"),
        URL.replace("/shop", "/other"),
        URL.replace("postgresql+psycopg", "postgresql"),
        "not a URL",
        "postgresql://host:port/shop",
        "postgresql://[::1/shop",
        "",
    ],
)
def test_url_of_another_server_user_or_database_stays(stored: str) -> None:
    assert move(stored, URL.replace("15432", "25432")) is None


def test_template_of_an_adopted_url_moves_too() -> None:
    stored = "postgresql+psycopg://{username}:{password}@127.0.0.1:15432/shop"
    current = with_placeholders(URL.replace("15432", "25432"))
    assert move(stored, current) == stored.replace("15432", "25432")


SCOPE = Scope("shop", Environment.DEV)
MOUNT = "team/kv"
NOW = URL.replace("15432", "25432")


class ContestedVault(MemoryVault):
    """A server on which another person writes a secret right after it was read."""

    def exchange(self, request: Request, **options: Any) -> Response:
        response = super().exchange(request, **options)
        if request.method == "GET":
            written = Request.from_sdk("POST", request.path, {"data": {"value": "theirs"}})
            super().exchange(written, **options)
        return response


@pytest.fixture
def memory(request: pytest.FixtureRequest) -> MemoryVault:
    """Return an in-memory server whose secrets are at a team's mount."""
    kind: type[MemoryVault] = getattr(request, "param", MemoryVault)
    return kind(mounts=Mounts(kv=MOUNT))


@pytest.fixture
def server(memory: MemoryVault) -> Iterator[Session]:
    """Yield a session with the in-memory server."""
    token = memory.tokens.issue("operator", (policies.ROOT,), ttl=float("inf"))
    with Session(ADDRESS, StaticToken(Secret(token.value)), connect=lambda: memory) as session:
        yield session


def store(server: Session, name: str, fields: Mapping[str, str], **metadata: str) -> None:
    path = SCOPE.secret(name)
    server.post(f"{MOUNT}/data/{path}", {"data": dict(fields)})
    server.post(f"{MOUNT}/metadata/{path}", {"custom_metadata": metadata})


def stored(server: Session, name: str) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return the fields of a secret, its custom metadata and its version."""
    data = server.get(f"{MOUNT}/data/{SCOPE.secret(name)}")["data"]
    return data["data"], data["metadata"]["custom_metadata"], data["metadata"]["version"]


def update(server: Session, **provided: str) -> tuple[str, ...]:
    urls = {name.replace("_", "-"): Secret(value) for name, value in provided.items()}
    return update_ports(server, SCOPE, urls, MOUNT)


class TestUpdatePorts:
    """Secrets on the server, after a deployment got other ports."""

    def test_url_is_written_once_with_the_current_port(self, server: Session) -> None:
        store(server, "database-url", {"value": URL}, owner="team")
        store(server, "redis-url", {"value": "redis://:pw@127.0.0.1:6379/0"})
        redis = "redis://:pw@127.0.0.1:26379/0"
        provided = {"database_url": NOW, "redis_url": redis}
        assert update(server, **provided) == ("database-url", "redis-url")
        assert stored(server, "database-url") == ({"value": NOW}, {"owner": "team"}, 2)
        assert stored(server, "redis-url") == ({"value": redis}, {}, 2)
        assert update(server, **provided) == ()
        assert stored(server, "database-url")[2] == 2

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
    def test_url_of_any_driver_moves_and_keeps_its_scheme(
        self, server: Session, scheme: str
    ) -> None:
        before, after = (each.replace("postgresql+psycopg", scheme) for each in (URL, NOW))
        store(server, "database-url", {"value": before})
        assert update(server, database_url=NOW) == ("database-url",)
        assert stored(server, "database-url")[0] == {"value": after}
        own = "postgresql+psycopg://db.example.com:5432/shop"
        provided = {"database-url": Secret(own)}
        assert update_ports(server, SCOPE, provided, MOUNT, [Secret(URL)]) == ("database-url",)
        assert stored(server, "database-url")[0] == {
            "value": own.replace("postgresql+psycopg", scheme)
        }

    def test_former_url_is_replaced_by_that_of_the_server_that_is_declared_now(
        self, server: Session
    ) -> None:
        own = "postgresql+psycopg://db.example.com:5432/shop"
        store(server, "database-url", {"value": NOW})
        assert update_ports(server, SCOPE, {"database-url": Secret(own)}, MOUNT) == ()
        for former, current in ((URL, own), (own, NOW)):
            provided = {"database-url": Secret(current)}
            found = update_ports(server, SCOPE, provided, MOUNT, [Secret(former)])
            assert found == ("database-url",)
            assert stored(server, "database-url")[0] == {"value": current}

    def test_template_of_an_adopted_secret_is_still_known_as_composed(
        self, server: Session
    ) -> None:
        template = with_placeholders(URL)
        store(server, "database-url", {"template": template}, composed_version="1", owner="team")
        assert update(server, database_url=NOW) == ("database-url",)
        moved = {"template": template.replace("15432", "25432")}
        metadata = {"composed_version": "2", "owner": "team"}
        assert stored(server, "database-url") == (moved, metadata, 2)
        assert update(server, database_url=NOW) == ()
        assert stored(server, "database-url")[2] == 2

    @pytest.mark.parametrize(
        ("fields", "metadata"),
        [
            ({"value": URL.replace("127.0.0.1", "db.example.com")}, {}),
            ({"value": URL, "note": "x"}, {}),
            ({"value": URL, "template": with_placeholders(URL)}, {"composed_version": "0"}),
            ({"template": with_placeholders(URL)}, {}),
            (
                {"template": with_placeholders(URL).replace("/shop", "/x")},
                {"composed_version": "1"},
            ),
        ],
        ids=["another server", "other fields", "half adopted", "no template", "another database"],
    )
    def test_other_entry_stays(
        self, server: Session, fields: Mapping[str, str], metadata: Mapping[str, str]
    ) -> None:
        store(server, "database-url", fields, **metadata)
        assert update(server, database_url=NOW) == ()
        assert stored(server, "database-url") == (fields, metadata, 1)

    def test_missing_secret_and_provided_password_are_skipped(self, server: Session) -> None:
        store(server, "smtp-password", {"value": "old"})
        assert update(server, database_url=NOW, smtp_password="new") == ()
        assert stored(server, "smtp-password") == ({"value": "old"}, {}, 1)

    @pytest.mark.parametrize("memory", [ContestedVault], indirect=True)
    @pytest.mark.parametrize(
        ("fields", "metadata"),
        [({"value": URL}, {}), ({"template": with_placeholders(URL)}, {"composed_version": "1"})],
        ids=["value", "template"],
    )
    def test_value_that_another_person_writes_meanwhile_is_not_replaced(
        self, server: Session, fields: Mapping[str, str], metadata: Mapping[str, str]
    ) -> None:
        store(server, "database-url", fields, **metadata)
        with pytest.raises(RequestRefused, match="status 400"):
            update(server, database_url=NOW)
        assert stored(server, "database-url")[0] == {"value": "theirs"}
