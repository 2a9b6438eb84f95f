"""What is ours and declared no more: found by notes, and taken away in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import RequestRefused, ServerFault
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing import policies
from app_integration.testing.memory_vault import ADDRESS, MemoryVault
from vault.reconcile.planning.prune import Orphan, find_deleted, find_orphans
from vault.reconcile.resources import Resource
from vault.reconcile.resources.ownership import path
from vault.reconcile.resources.secrets import SecretMetadata, metadata_path
from vault.reconcile.resources.transit import TransitKey

DEV = Environment.DEV
OURS = {"managed_by": "strongroom", "environment": "dev"}


@pytest.fixture
def server() -> Iterator[Session]:
    """One that holds notes and secrets, in memory."""
    memory = MemoryVault(authorise=partial(policies.allows, Scope("shop", DEV)))
    root = memory.tokens.issue("operator", (policies.ROOT,), ttl=float("inf"))
    login = StaticToken(Secret(root.value))
    with Session(ADDRESS, login, connect=lambda: memory) as session:
        yield session


def noted(server: Session, kind: str, name: str, environment: Environment = DEV) -> Orphan:
    record = path(environment, kind, name)
    server.post(metadata_path(record), {"custom_metadata": {"managed_by": "strongroom"}})
    return Orphan(kind, name, record)


def secret(server: Session, name: str, **marks: str) -> Orphan:
    server.post(metadata_path(name), {"custom_metadata": {**OURS, **marks}})
    return Orphan("secret-metadata", name, None)


class TestFinding:
    """What counts as ours, and as declared no more."""

    def test_nothing_is_found_on_an_empty_server(self, server: Session) -> None:
        assert find_orphans(server, [], DEV) == []

    def test_what_is_noted_and_not_declared_is_found(self, server: Session) -> None:
        old = noted(server, "approle", "old-dev")
        noted(server, "transit-key", "kept-dev-pii")
        declared = [TransitKey("kept-dev-pii", 0)]
        assert find_orphans(server, declared, DEV) == [old]

    def test_another_kind_of_that_name_does_not_count_as_declared(self, server: Session) -> None:
        old = noted(server, "approle", "x-dev")
        assert find_orphans(server, [TransitKey("x-dev", 0)], DEV) == [old]

    def test_notes_of_other_environments_and_unknown_kinds_are_left(self, server: Session) -> None:
        noted(server, "approle", "old-prod", Environment.PROD)
        noted(server, "audit-device", "file")
        assert find_orphans(server, [], DEV) == []

    @pytest.mark.parametrize("name", ["root", "default", "control-group", "strongroom-apply"])
    def test_the_servers_own_and_our_jobs_are_left_whatever_a_note_says(
        self, server: Session, name: str
    ) -> None:
        noted(server, "policy", name)
        assert find_orphans(server, [], DEV) == []

    def test_secrets_carry_their_mark_themselves_at_any_depth(self, server: Session) -> None:
        found = [secret(server, "shop/dev/a"), secret(server, "shop/dev/mail/b")]
        assert find_orphans(server, [], DEV) == found

    def test_secrets_of_others_or_elsewhere_are_left(self, server: Session) -> None:
        secret(server, "shop/dev/theirs", managed_by="terraform")
        secret(server, "shop/dev/moved", environment="prod")
        secret(server, "shop/prod/a")
        server.post(metadata_path("shop/dev/unmarked"), {"max_versions": 3})
        assert find_orphans(server, [], DEV) == []

    def test_a_declared_secret_is_left(self, server: Session) -> None:
        secret(server, "shop/dev/a")
        assert find_orphans(server, [SecretMetadata("shop/dev/a", {})], DEV) == []


class TestGone:
    """Of what is to be destroyed, what isn't there any more."""

    def test_what_is_not_there_is_gone(self, server: Session) -> None:
        names = ["transit/old-dev-pii", "secret/old/dev/key"]
        assert find_deleted(server, [], names) == sorted(names)

    def test_what_is_there_is_not(self, server: Session) -> None:
        secret(server, "old/dev/key")
        server.post("transit/keys/old-dev-pii", {"derived": True})
        assert find_deleted(server, [], ["transit/old-dev-pii", "secret/old/dev/key"]) == []

    def test_what_is_declared_is_not(self, server: Session) -> None:
        declared: list[Resource] = [TransitKey("shop-dev-pii", 0)]
        declared.append(SecretMetadata("shop/dev/a", {}))
        assert find_deleted(server, declared, ["transit/shop-dev-pii", "secret/shop/dev/a"]) == []

    @pytest.mark.parametrize("name", ["transit/../sys", "transit", "database/x", "secret/", ""])
    def test_what_can_be_no_name_is_not(self, server: Session, name: str) -> None:
        assert find_deleted(server, [], [name]) == []


class Recorder:
    """A session that notes what is asked, and refuses what the test says."""

    def __init__(self, **refused: Exception) -> None:
        self.asked: list[str] = []
        self.refused = refused
        self.found: dict[str, Any] = {}

    def delete(self, path: str) -> None:
        self.asked.append(f"DELETE {path}")
        if path in self.refused:
            raise self.refused[path]

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        self.asked.append(f"POST {path} {dict(body)}")

    def get(self, path: str) -> dict[str, Any]:
        if path not in self.found:
            raise RequestRefused("404", status=404)
        return {"data": self.found[path]}

    def list(self, path: str) -> list[str]:
        self.asked.append(f"LIST {path}")
        return []


def written(orphan: Orphan, session: Recorder) -> list[str]:
    orphan.write(session, {})  # type: ignore[arg-type] # a stand-in
    return session.asked


class TestRemoving:
    """The requests that take one away: the thing before the note that it is ours."""

    def test_an_identity(self) -> None:
        assert written(Orphan("approle", "old-dev", "note/x"), Recorder()) == [
            "DELETE auth/approle/role/old-dev",
            "DELETE secret/metadata/note/x",
        ]

    def test_a_secret_with_all_its_versions(self) -> None:
        found = Orphan("secret-metadata", "old/dev/key", None)
        assert written(found, Recorder()) == ["DELETE secret/metadata/old/dev/key"]

    def test_a_database_role_after_its_users(self) -> None:
        assert written(Orphan("database-role", "old-dev", "note/x"), Recorder()) == [
            "LIST sys/leases/lookup/database/creds/old-dev/",
            "DELETE database/roles/old-dev",
            "DELETE secret/metadata/note/x",
        ]

    def test_a_key_once_that_is_allowed(self) -> None:
        session = Recorder()
        session.found["transit/keys/old-dev-pii"] = {"type": "aes256-gcm96"}
        assert written(Orphan("transit-key", "old-dev-pii", "note/x"), session) == [
            "POST transit/keys/old-dev-pii/config {'deletion_allowed': True}",
            "DELETE transit/keys/old-dev-pii",
            "DELETE secret/metadata/note/x",
        ]

    def test_a_key_that_is_gone_leaves_its_note_to_go(self) -> None:
        found = Orphan("transit-key", "old-dev-pii", "note/x")
        assert written(found, Recorder()) == ["DELETE secret/metadata/note/x"]

    def test_what_went_with_its_mount_counts_as_gone(self) -> None:
        session = Recorder(**{"auth/jwt/role/x": RequestRefused("no mount", status=404)})
        assert written(Orphan("jwt-role", "x", "note/x"), session)[-1] == (
            "DELETE secret/metadata/note/x"
        )

    @pytest.mark.parametrize("error", [RequestRefused("in use", status=400), ServerFault("away")])
    def test_what_cannot_be_removed_keeps_its_note(self, error: Exception) -> None:
        session = Recorder(**{"auth/jwt/role/x": error})
        with pytest.raises(type(error)):
            written(Orphan("jwt-role", "x", "note/x"), session)
        assert session.asked == ["DELETE auth/jwt/role/x"]

    def test_one_without_a_note_has_none_to_go(self) -> None:
        found = Orphan("approle", "old-dev", None)
        assert written(found, Recorder()) == ["DELETE auth/approle/role/old-dev"]

    def test_nothing_of_it_is_read_or_wanted(self) -> None:
        found = Orphan("policy", "old-dev", "note/x")
        assert found.desired() == found.read(Recorder()) == {}  # type: ignore[arg-type] # a stand-in
        assert found.data is None
        assert Orphan("transit-key", "k", None).data == "transit/k"
        assert Orphan("secret-metadata", "s", None).data == "secret/s"
