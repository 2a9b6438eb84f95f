"""Orphans: how they are found by ownership metadata, and the requests that delete them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from app_integration.errors import RequestRefused, ServerFault
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from app_integration.testing import policies
from app_integration.testing.memory_vault import MemoryVault
from tests.unit.vault.conftest import root_session
from vault.reconcile.planning.prune import Orphan, find_deleted, find_orphans
from vault.reconcile.resources import Resource, marks
from vault.reconcile.resources.kv import metadata_path
from vault.reconcile.resources.ownership import Owner, ownership_path
from vault.reconcile.resources.secrets import SecretMetadata
from vault.reconcile.resources.transit import TransitKey

DEV = Environment.DEV
OWNER = Owner(DEV)
MOUNTS = Mounts("team/kv", "team/keys", "team/db", "team-roles")
OURS = {"managed_by": "strongroom", "environment": "dev"}


@pytest.fixture
def server() -> Iterator[Session]:
    """Yield a session with an in-memory server that stores metadata and secrets."""
    memory = MemoryVault(authorise=partial(policies.allows, Scope("shop", DEV)))
    with root_session(memory) as session:
        yield session


def managed(
    server: Session, kind: str, name: str, environment: Environment = DEV, **marks: str
) -> Orphan:
    path = ownership_path(environment, kind, name)
    server.post(metadata_path(path), {"custom_metadata": {"managed_by": "strongroom", **marks}})
    return Orphan(kind, name, path)


def secret(server: Session, name: str, **marks: str) -> Orphan:
    server.post(metadata_path(name), {"custom_metadata": {**OURS, **marks}})
    return Orphan("secret-metadata", name, None)


class TestFindOrphans:
    """Objects that count as managed, and as no longer declared."""

    def test_find_orphans_on_an_empty_server_returns_none(self, server: Session) -> None:
        assert find_orphans(server, [], OWNER) == []

    def test_find_orphans_returns_managed_undeclared_objects(self, server: Session) -> None:
        old = managed(server, "approle", "old-dev")
        managed(server, "transit-key", "kept-dev-pii")
        declared = [TransitKey("kept-dev-pii", 0)]
        assert find_orphans(server, declared, OWNER) == [old]

    def test_find_orphans_compares_kind_and_name(self, server: Session) -> None:
        old = managed(server, "approle", "x-dev")
        assert find_orphans(server, [TransitKey("x-dev", 0)], OWNER) == [old]

    def test_find_orphans_ignores_other_environments_and_unknown_kinds(
        self, server: Session
    ) -> None:
        managed(server, "approle", "old-prod", Environment.PROD)
        managed(server, "audit-device", "file")
        assert find_orphans(server, [], OWNER) == []

    def test_find_orphans_returns_parts_of_a_policy_that_needs_them_no_more(
        self, server: Session
    ) -> None:
        old = managed(server, "policy", "strongroom-rotator-2")
        managed(server, "policy", "strongroom-rotator")
        assert find_orphans(server, [], OWNER) == [old]

    @pytest.mark.parametrize("name", ["root", "default", "control-group", "strongroom-apply"])
    def test_find_orphans_ignores_built_in_policies_and_own_jobs(
        self, server: Session, name: str
    ) -> None:
        managed(server, "policy", name)
        assert find_orphans(server, [], OWNER) == []

    def test_find_orphans_returns_secrets_at_any_depth(self, server: Session) -> None:
        found = [secret(server, "shop/dev/a"), secret(server, "shop/dev/mail/b")]
        assert find_orphans(server, [], OWNER) == found

    def test_find_orphans_ignores_unmanaged_secrets_and_other_environments(
        self, server: Session
    ) -> None:
        secret(server, "shop/dev/theirs", managed_by="terraform")
        secret(server, "shop/dev/moved", environment="prod")
        secret(server, "shop/prod/a")
        server.post(metadata_path("shop/dev/unmarked"), {"max_versions": 3})
        assert find_orphans(server, [], OWNER) == []

    def test_find_orphans_ignores_declared_secrets(self, server: Session) -> None:
        secret(server, "shop/dev/a")
        assert find_orphans(server, [SecretMetadata("shop/dev/a", {})], OWNER) == []

    @pytest.mark.parametrize("other", ["team", "strongroom"])
    def test_find_orphans_ignores_other_deployments(self, server: Session, other: str) -> None:
        managed(server, "approle", "old-dev", deployment=other)
        secret(server, "shop/dev/a", deployment=other)
        assert find_orphans(server, [], Owner(DEV, "ours")) == []
        assert len(find_orphans(server, [], Owner(DEV, other))) == 2

    def test_find_orphans_of_another_deployment_ignores_unnamed_ones(self, server: Session) -> None:
        managed(server, "approle", "old-dev")
        secret(server, "shop/dev/a")
        assert find_orphans(server, [], Owner(DEV, "ours")) == []

    @pytest.mark.parametrize(("other", "found"), [("ours", 1), ("theirs", 0), (None, 1)])
    def test_find_orphans_ignores_a_policy_whose_text_names_another_owner(
        self, server: Session, other: str | None, found: int
    ) -> None:
        managed(server, "policy", "shop-dev", deployment="ours")
        text = "# written by hand" if other is None else marks.mark(other)
        server.post("sys/policies/acl/shop-dev", {"policy": text})
        assert len(find_orphans(server, [], Owner(DEV, "ours"))) == found

    def test_find_orphans_names_the_policy_whose_mark_is_of_a_newer_format(
        self, server: Session
    ) -> None:
        managed(server, "policy", "shop-dev")
        text = f"{marks.mark('strongroom')} managed_format=9"
        server.post("sys/policies/acl/shop-dev", {"policy": text})
        with pytest.raises(marks.UnreadableMark, match=r"^policy shop-dev: its ownership mark"):
            find_orphans(server, [], OWNER)

    def test_find_orphans_returns_the_policy_of_people_of_the_deployment(
        self, server: Session
    ) -> None:
        old = managed(server, "policy", "ours-developer", deployment="ours")
        managed(server, "policy", "ours-auditor", deployment="ours")
        assert find_orphans(server, [], Owner(DEV, "ours")) == [old]

    def test_find_orphans_below_other_mounts_keeps_them(self) -> None:
        path = ownership_path(DEV, "approle", "old-dev")
        with root_session(MemoryVault(mounts=MOUNTS)) as server:
            for each, fields in ((path, {"managed_by": "strongroom"}), ("shop/dev/a", OURS)):
                server.post(metadata_path(each, MOUNTS.kv), {"custom_metadata": fields})
            assert find_orphans(server, [], Owner(DEV, mounts=MOUNTS)) == [
                Orphan("approle", "old-dev", path, MOUNTS),
                Orphan("secret-metadata", "shop/dev/a", None, MOUNTS),
            ]
            names = ["team/kv/shop/dev/a", "team/kv/shop/dev/b"]
            assert find_deleted(server, [], names, MOUNTS) == names[1:]

    def test_find_orphans_ignores_own_jobs_of_any_deployment(self, server: Session) -> None:
        managed(server, "approle", "ours-apply", deployment="ours")
        assert find_orphans(server, [], Owner(DEV, "ours")) == []


class TestFindDeleted:
    """Names to destroy that no longer exist."""

    def test_find_deleted_returns_names_that_do_not_exist(self, server: Session) -> None:
        names = ["transit/old-dev-pii", "secret/old/dev/key"]
        assert find_deleted(server, [], names, DEFAULT_MOUNTS) == sorted(names)

    def test_find_deleted_ignores_names_that_exist(self, server: Session) -> None:
        secret(server, "old/dev/key")
        server.post("transit/keys/old-dev-pii", {"derived": True})
        names = ["transit/old-dev-pii", "secret/old/dev/key"]
        assert find_deleted(server, [], names, DEFAULT_MOUNTS) == []

    def test_find_deleted_ignores_declared_names(self, server: Session) -> None:
        declared: list[Resource] = [TransitKey("shop-dev-pii", 0)]
        declared.append(SecretMetadata("shop/dev/a", {}))
        names = ["transit/shop-dev-pii", "secret/shop/dev/a"]
        assert find_deleted(server, declared, names, DEFAULT_MOUNTS) == []

    @pytest.mark.parametrize("name", ["transit/../sys", "transit", "database/x", "secret/", ""])
    def test_find_deleted_ignores_invalid_names(self, server: Session, name: str) -> None:
        assert find_deleted(server, [], [name], DEFAULT_MOUNTS) == []


class RecordingSession:
    """A session that records its requests, and raises the errors that a test sets."""

    def __init__(self, **errors: Exception) -> None:
        self.requests: list[str] = []
        self.errors = errors
        self.responses: dict[str, Any] = {}

    def delete(self, path: str) -> None:
        self.requests.append(f"DELETE {path}")
        if path in self.errors:
            raise self.errors[path]

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        self.requests.append(f"POST {path} {dict(body)}")

    def get(self, path: str) -> dict[str, Any]:
        if path not in self.responses:
            raise RequestRefused("404", status=404)
        return {"data": self.responses[path]}

    def list(self, path: str) -> list[str]:
        self.requests.append(f"LIST {path}")
        return []


def delete(orphan: Orphan, session: RecordingSession) -> list[str]:
    orphan.write(session, {})  # type: ignore[arg-type] # a fake
    return session.requests


class TestDelete:
    """Requests that delete an orphan: the object first, then its ownership metadata."""

    @pytest.mark.parametrize(
        ("orphan", "deleted"),
        [
            (
                Orphan("approle", "old-dev", "note/x"),
                ["auth/approle/role/old-dev", "secret/metadata/note/x"],
            ),
            (Orphan("approle", "old-dev", None), ["auth/approle/role/old-dev"]),
            (Orphan("transit-key", "missing", "note/x"), ["secret/metadata/note/x"]),
            (
                Orphan("secret-metadata", "old/dev/key", None),
                [
                    "secret/metadata/_strongroom/dev/rotation/secret/old/dev/key",
                    "secret/metadata/_strongroom/dev/rotation/user-pair/old/dev/key",
                    "secret/metadata/old/dev/key",
                ],
            ),
        ],
        ids=["approle", "without metadata", "missing key", "secret with all its versions"],
    )
    def test_delete_ends_with_the_metadata(self, orphan: Orphan, deleted: list[str]) -> None:
        assert delete(orphan, RecordingSession()) == [f"DELETE {path}" for path in deleted]

    def test_delete_database_role_after_its_leases(self) -> None:
        assert delete(Orphan("database-role", "old-dev", "note/x"), RecordingSession()) == [
            "LIST sys/leases/lookup/database/creds/old-dev/",
            "DELETE database/roles/old-dev",
            "DELETE secret/metadata/note/x",
        ]

    def test_delete_transit_key_after_allowing_deletion(self) -> None:
        session = RecordingSession()
        session.responses["transit/keys/old-dev-pii"] = {"type": "aes256-gcm96"}
        assert delete(Orphan("transit-key", "old-dev-pii", "note/x"), session) == [
            "POST transit/keys/old-dev-pii/config {'deletion_allowed': True}",
            "DELETE transit/keys/old-dev-pii",
            "DELETE secret/metadata/note/x",
        ]

    def test_delete_role_of_an_unmounted_method_deletes_its_metadata(self) -> None:
        session = RecordingSession(**{"auth/jwt/role/x": RequestRefused("no mount", status=404)})
        assert delete(Orphan("jwt-role", "x", "note/x"), session)[-1] == (
            "DELETE secret/metadata/note/x"
        )

    @pytest.mark.parametrize("error", [RequestRefused("in use", status=400), ServerFault("away")])
    def test_failed_delete_keeps_the_metadata(self, error: Exception) -> None:
        session = RecordingSession(**{"auth/jwt/role/x": error})
        with pytest.raises(type(error)):
            delete(Orphan("jwt-role", "x", "note/x"), session)
        assert session.requests == ["DELETE auth/jwt/role/x"]

    def test_delete_below_other_mounts(self) -> None:
        expected = {
            "approle": "DELETE auth/team-roles/role/x",
            "database-role": "DELETE team/db/roles/x",
            "static-role": "DELETE team/db/static-roles/x",
            "database-connection": "DELETE team/db/config/x",
        }
        for kind, request in expected.items():
            requests = delete(Orphan(kind, "x", "note/x", MOUNTS), RecordingSession())
            assert requests[-2:] == [request, "DELETE team/kv/metadata/note/x"]
        assert Orphan("transit-key", "k", None, MOUNTS).data == "team/keys/k"
        assert {
            each.startswith("DELETE team/kv/metadata/")
            for each in delete(
                Orphan("secret-metadata", "s/dev/x", None, MOUNTS), RecordingSession()
            )
        } == {True}

    def test_orphan_has_no_fields(self) -> None:
        orphan = Orphan("policy", "old-dev", "note/x")
        assert orphan.desired() == orphan.read(RecordingSession()) == {}  # type: ignore[arg-type] # a fake
        assert orphan.data is None
        assert Orphan("transit-key", "k", None).data == "transit/k"
        assert Orphan("secret-metadata", "s", None).data == "secret/s"
