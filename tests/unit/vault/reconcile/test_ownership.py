"""Ownership metadata of objects: what is written, read and deleted, and by which requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app_integration.mounts import Mounts
from app_integration.names import Environment
from app_integration.session.session import Session
from app_integration.testing.memory_vault import MemoryVault
from tests.unit.vault.conftest import root_session
from vault.declare.load import load
from vault.declare.schema.server import MountPaths
from vault.reconcile.planning.build import build_plan
from vault.reconcile.resources.ownership import (
    ManagedResource,
    OwnedByOther,
    Owner,
    check_owner,
    owner_of,
    strip_ownership,
)
from vault.reconcile.resources.transit import TransitKey

MOUNTS = Mounts("team/kv", "team/keys", "team/db", "team-roles")
OURS = Owner(Environment.DEV, "ours", MOUNTS)
THEIRS = Owner(Environment.DEV, "theirs", MOUNTS)
MARKS = {"managed_by": "strongroom", "deployment": "ours"}
FOLDER = "team/kv/metadata/_strongroom/dev/transit-key"
KEY = "team/keys/keys/shop-dev-pii"


@pytest.fixture
def memory() -> MemoryVault:
    return MemoryVault(mounts=MOUNTS)


@pytest.fixture
def server(memory: MemoryVault) -> Iterator[Session]:
    """Yield a session with an in-memory server that has a team's mounts."""
    with root_session(memory) as session:
        yield session


def key(rotate_every: int = 0, owner: Owner = OURS, name: str = "shop-dev-pii") -> ManagedResource:
    return ManagedResource(TransitKey(name, rotate_every, MOUNTS.transit), owner)


def written(memory: MemoryVault) -> list[str]:
    return [seen.path for seen in memory.seen if seen.method == "POST"]


def test_owner_is_the_deployment_of_the_declaration() -> None:
    dev = load().environment("dev")
    paths = MountPaths(
        kv=MOUNTS.kv, transit=MOUNTS.transit, database=MOUNTS.database, approle=MOUNTS.approle
    )
    declared = dev.model_copy(
        update={"deployment": "ours", "vault": dev.vault.model_copy(update={"mounts": paths})}
    )
    assert Owner.of(declared) == OURS


class TestWrite:
    """Requests that write a managed object: its metadata first, and only what differs."""

    def test_new_object_is_written_after_its_metadata(
        self, server: Session, memory: MemoryVault
    ) -> None:
        key().write(server, None)
        assert written(memory) == [f"{FOLDER}/shop-dev-pii", KEY, f"{KEY}/config"]
        assert key().read_notes(server) == MARKS

    def test_changed_object_is_written_without_its_metadata(
        self, server: Session, memory: MemoryVault
    ) -> None:
        key().write(server, None)
        memory.seen.clear()
        key(86400).write(server, key().desired())
        assert written(memory) == [f"{KEY}/config"]

    def test_object_of_an_earlier_version_gets_its_metadata_only(
        self, server: Session, memory: MemoryVault
    ) -> None:
        key().resource.write(server, None)
        memory.seen.clear()
        key().write(server, {**key().desired(), **key().read_notes(server)})
        assert written(memory) == [f"{FOLDER}/shop-dev-pii"]
        assert OURS.entry("transit-key", "shop-dev-pii").read(server) == MARKS


def test_plan_names_a_key_that_was_made_and_does_not_exist(server: Session) -> None:
    resources = [key(), key(name="shop-dev-new")]
    assert build_plan(server, resources).lost_keys == ()
    key().write(server, None)
    assert build_plan(server, resources).lost_keys == ()
    server.post(f"{KEY}/config", {"deletion_allowed": True})
    server.delete(KEY)
    assert build_plan(server, resources).lost_keys == ("shop-dev-pii",)


class TestRead:
    """Requests that read the metadata."""

    def test_object_without_metadata_costs_no_request_of_its_own(
        self, server: Session, memory: MemoryVault
    ) -> None:
        key().write(server, None)
        memory.seen.clear()
        assert key(name="shop-dev-index").read_notes(server) == dict.fromkeys(MARKS)
        assert [(seen.method, seen.path) for seen in memory.seen] == [("LIST", FOLDER)]

    def test_deleted_metadata_is_not_found_and_others_stay(self, server: Session) -> None:
        for name in ("shop-dev-pii", "shop-dev-index"):
            key(name=name).write(server, None)
        OURS.entry("transit-key", "shop-dev-pii").delete(server)
        assert key().read_notes(server) == dict.fromkeys(MARKS)
        assert key(name="shop-dev-index").read_notes(server) == MARKS


def test_object_of_another_deployment_is_refused_with_its_name(server: Session) -> None:
    entry = OURS.entry("transit-key", "shop-dev-pii")
    check_owner(server, entry)
    key(owner=THEIRS).write(server, None)
    with pytest.raises(OwnedByOther) as caught:
        check_owner(server, entry)
    assert str(caught.value) == (
        "transit-key shop-dev-pii belongs to the deployment 'theirs', not to 'ours'; "
        "use another name for the service, or change it there"
    )
    check_owner(server, THEIRS.entry("transit-key", "shop-dev-pii"))


def test_owner_of_resources_is_that_of_the_managed_ones() -> None:
    plain = TransitKey("shop-dev-pii")
    assert owner_of([]) is owner_of([plain]) is None
    assert owner_of([plain, key()]) == OURS


def test_server_without_a_kv_mount_gets_the_object_alone() -> None:
    plain = TransitKey("shop-dev-pii")
    assert strip_ownership(plain) is plain
    assert strip_ownership(ManagedResource(plain, OURS)) is plain
