"""Owners of planned objects: another deployment's are refused before any write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app_integration.mounts import Mounts
from app_integration.names import Environment
from app_integration.session.session import Session
from app_integration.testing.memory_vault import MemoryVault
from tests.unit.vault.conftest import FixedResponses, root_session
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.owners import check_owners
from vault.reconcile.planning.prune import find_orphans
from vault.reconcile.resources import Resource
from vault.reconcile.resources.kv import metadata_path
from vault.reconcile.resources.marks import MARKED_BY, UnreadableMark, describe
from vault.reconcile.resources.mounts import KvConfig, Mount
from vault.reconcile.resources.ownership import (
    ManagedResource,
    OwnedByOther,
    Owner,
    check_secret_owner,
    other_deployment,
)
from vault.reconcile.resources.secrets import SecretMetadata
from vault.reconcile.resources.transit import TransitKey

DEV = Environment.DEV
MOUNTS = Mounts("team/kv", "team/keys", "team/db", "team-roles")
OURS = Owner(DEV, "ours", MOUNTS)
THEIRS = Owner(DEV, "theirs", MOUNTS)
LEGACY = {"managed_by": "strongroom"}
NEWER = {**LEGACY, "deployment": "ours", "managed_format": "2"}


@pytest.fixture
def server() -> Iterator[Session]:
    """Yield a session with an in-memory server that has a team's mounts."""
    with root_session(MemoryVault(mounts=MOUNTS)) as session:
        yield session


def key(owner: Owner) -> ManagedResource:
    return ManagedResource(TransitKey("shop-dev-pii", 0, MOUNTS.transit), owner)


def note(server: Session, **metadata: str) -> None:
    path = metadata_path("_strongroom/dev/transit-key/shop-dev-pii", MOUNTS.kv)
    server.post(path, {"custom_metadata": metadata})


@pytest.mark.parametrize(
    ("notes", "owner"),
    [
        ({}, None),
        ({"managed_by": "terraform", "deployment": "x"}, None),
        ({"managed_by": "strongroom", "deployment": "ours"}, None),
        ({"managed_by": "strongroom", "deployment": "theirs"}, "theirs"),
        (LEGACY, "strongroom"),
        ({"managed_by": "strongroom", "deployment": ""}, "strongroom"),
    ],
)
def test_other_deployment_is_read_from_the_marks(
    notes: dict[str, str | None], owner: str | None
) -> None:
    assert other_deployment(notes, "ours") == owner


def test_mark_of_an_earlier_version_belongs_to_the_default_deployment() -> None:
    assert other_deployment(dict(LEGACY), "strongroom") is None


def test_object_of_another_deployment_is_refused(server: Session) -> None:
    key(THEIRS).write(server, None)
    with pytest.raises(OwnedByOther, match=r"transit-key shop-dev-pii belongs to the .*'theirs'"):
        build_plan(server, [key(OURS)])


def test_object_that_is_marked_but_absent_is_refused(server: Session) -> None:
    note(server, managed_by="strongroom", deployment="theirs")
    with pytest.raises(OwnedByOther, match="'theirs'"):
        build_plan(server, [key(OURS)])


def test_object_of_an_earlier_version_is_marked_and_otherwise_unchanged(server: Session) -> None:
    default = ManagedResource(Present("transit-key", "shop-dev-pii"), Owner(DEV, mounts=MOUNTS))
    note(server, **LEGACY)
    (change,) = build_plan(server, [default]).changes
    assert [(each.field, each.before, each.after) for each in change.fields] == [
        ("deployment", None, "strongroom")
    ]
    change.resource.write(server, change.before)
    assert build_plan(server, [default]).changes == ()
    with pytest.raises(OwnedByOther, match="'strongroom'"):
        build_plan(server, [key(OURS)])


def test_secret_of_another_deployment_is_refused(server: Session) -> None:
    theirs = SecretMetadata("shop/dev/token", {"deployment": "theirs"}, MOUNTS.kv)
    theirs.write(server, None)
    ours = SecretMetadata("shop/dev/token", {"deployment": "ours"}, MOUNTS.kv)
    with pytest.raises(OwnedByOther, match="secret-metadata shop/dev/token"):
        check_owners(server, OURS, [ours], [ours.read(server)])
    with pytest.raises(OwnedByOther, match=r"secret shop/dev/token belongs to .*'theirs'"):
        check_secret_owner(server, OURS, "shop/dev/token")
    check_secret_owner(server, THEIRS, "shop/dev/token")
    check_secret_owner(server, OURS, "shop/dev/absent")


def newer_secret(server: Session) -> SecretMetadata:
    found = SecretMetadata("shop/dev/token", {"deployment": "ours"}, MOUNTS.kv)
    metadata = {**found.desired(), "environment": "dev", "managed_format": "2"}
    server.post(metadata_path(found.name, MOUNTS.kv), {"custom_metadata": metadata})
    return found


class TestNewerMark:
    """Objects whose mark a newer version wrote: they are refused before anything is written."""

    def test_object_is_refused_by_a_plan(self, server: Session) -> None:
        key(OURS).write(server, None)
        note(server, **NEWER)
        with pytest.raises(UnreadableMark, match=r"^transit-key shop-dev-pii: .* has format 2"):
            build_plan(server, [key(OURS)])

    def test_object_that_is_absent_is_refused_by_a_plan(self, server: Session) -> None:
        note(server, **NEWER)
        with pytest.raises(UnreadableMark, match="install a newer strongroom"):
            build_plan(server, [key(OURS)])

    def test_secret_is_refused_by_a_plan_and_by_the_other_commands(self, server: Session) -> None:
        secret = newer_secret(server)
        with pytest.raises(UnreadableMark, match=r"^secret-metadata shop/dev/token: "):
            build_plan(server, [secret])
        with pytest.raises(UnreadableMark, match=r"^secret shop/dev/token: "):
            check_secret_owner(server, OURS, secret.name)

    def test_orphan_is_not_deleted(self, server: Session) -> None:
        newer_secret(server)
        with pytest.raises(UnreadableMark, match=r"^secret shop/dev/token: "):
            find_orphans(server, [], OURS)

    def test_managed_orphan_is_not_deleted(self, server: Session) -> None:
        note(server, **NEWER)
        with pytest.raises(UnreadableMark, match=r"^transit-key shop-dev-pii: "):
            find_orphans(server, [], OURS)

    def test_number_of_format_1_is_read_and_no_change(self, server: Session) -> None:
        key(OURS).write(server, None)
        note(server, managed_by="strongroom", deployment="ours", managed_format="1")
        assert key(OURS).read_notes(server) == OURS.marks


@dataclass
class Thing:
    """A resource with the fields that a test sets."""

    kind: str
    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def desired(self) -> Mapping[str, Any]:
        return self.fields

    def read(self, reader: object) -> Mapping[str, Any] | None:
        raise AssertionError(reader)

    def write(self, session: object, before: object) -> None:
        raise AssertionError(session, before)


class Present(Thing):
    """A resource whose object is as declared, so that only its ownership metadata is written."""

    def read(self, reader: object) -> Mapping[str, Any]:
        assert reader is not None
        return self.desired()


NOTHING: Any = None


def contested(resource: Resource, fields: Mapping[str, Any] | None) -> bool:
    try:
        check_owners(NOTHING, OURS, [resource], [fields])
    except OwnedByOther:
        return True
    return False


@pytest.mark.parametrize("kind", ["policy", "password-policy", "group"])
def test_object_that_names_another_owner_is_contested(kind: str) -> None:
    assert contested(Thing(kind, "a"), {MARKED_BY: "theirs"})
    assert not contested(Thing(kind, "a"), {MARKED_BY: "ours"})
    assert not contested(Thing(kind, "a"), {MARKED_BY: None})
    assert not contested(Thing(kind, "a"), None)


def test_many_contested_objects_are_counted() -> None:
    things: list[Resource] = [Thing("policy", f"p{index}") for index in range(23)]
    with pytest.raises(OwnedByOther, match="and 3 more"):
        check_owners(NOTHING, OURS, things, [{MARKED_BY: "theirs"}] * 23)


MOUNT = Mount("mounts", "team/kv", "kv", "secrets", deployment="ours")


@pytest.mark.parametrize(
    ("owner", "differs", "refused"),
    [("theirs", True, True), ("theirs", False, False), ("ours", True, False), (None, True, False)],
)
def test_mount_of_another_deployment_may_be_used_but_not_changed(
    owner: str | None, differs: bool, refused: bool
) -> None:
    fields = {**MOUNT.desired(), MARKED_BY: owner, **({"type": "pki"} if differs else {})}
    assert contested(MOUNT, fields) is refused


@pytest.mark.parametrize(("versions", "refused"), [(10, False), (3, True)])
def test_configuration_of_anothers_mount_is_not_changed(versions: int, refused: bool) -> None:
    config = KvConfig("team/kv", 10)
    mount = {**MOUNT.desired(), MARKED_BY: "theirs"}
    found = {**config.desired(), "max_versions": versions}
    if refused:
        with pytest.raises(OwnedByOther, match="kv-config team/kv"):
            check_owners(NOTHING, OURS, [MOUNT, config], [mount, found])
    else:
        check_owners(NOTHING, OURS, [MOUNT, config], [mount, found])
        assert not contested(config, found)


DATABASE = Mount("mounts", "db", "database", "users", deployment="ours", plain_keys=("username",))
APPROLE = Mount("auth", "login", "approle", "jobs", deployment="ours", has_lockout=False)
KEYS, LOCKOUT = "audit_non_hmac_response_keys", "lockout_disable"


def is_drift(mount: Mount, owner: str, config: dict[str, Any], key: str) -> bool:
    """Return whether a field of *mount*, which *owner* has made, is not as it is desired."""
    about = {
        "type": mount.type,
        "description": describe(mount.description, owner),
        "config": config,
    }
    reader = FixedResponses({f"sys/{mount.api}": {f"{mount.path}/": about}})
    return bool((mount.read(reader) or {})[key] != mount.desired()[key])


@pytest.mark.parametrize(
    ("owner", "config", "expected"),
    [
        ("ours", {}, True),
        ("ours", {KEYS: ["other"]}, True),
        ("ours", {KEYS: ["username", "other"]}, False),
        ("theirs", {}, False),
    ],
)
def test_plain_keys_of_a_mount_are_a_part_of_what_it_has(
    owner: str, config: dict[str, Any], *, expected: bool
) -> None:
    assert is_drift(DATABASE, owner, config, KEYS) is expected


@pytest.mark.parametrize(
    ("owner", "config", "expected"),
    [
        ("ours", {}, True),
        ("ours", {"user_lockout_config": {"user_lockout_disable": False}}, True),
        ("ours", {"user_lockout_config": {"user_lockout_disable": True}}, False),
        ("theirs", {}, False),
    ],
)
def test_lockout_of_a_mount_of_ones_own_is_disabled(
    owner: str, config: dict[str, Any], *, expected: bool
) -> None:
    assert is_drift(APPROLE, owner, config, LOCKOUT) is expected


@pytest.mark.parametrize(("mount", "key"), [(DATABASE, KEYS), (APPROLE, LOCKOUT)])
def test_plain_keys_and_lockout_of_a_given_mount_are_left(mount: Mount, key: str) -> None:
    assert key not in replace(mount, is_given=True).desired()
