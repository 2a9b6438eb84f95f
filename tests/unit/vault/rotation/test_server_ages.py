"""Ages on the server, from its responses: a value that is deleted, expired or denied has none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from app_integration.errors import AccessDenied
from app_integration.mounts import DEFAULT_MOUNTS
from tests.unit.vault.conftest import FixedResponses
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.server_ages import Age, read_ages

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TIME = "2026-05-01T00:00:00.123456789Z"
CREATED = datetime(2026, 5, 1, 0, 0, 0, 123_456, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00Z"


def item(kind: Kind) -> Item:
    return Item(kind, "shop", "x", "x", 86_400, is_declared=True)


#: Response of a server that has begun to delete what is looked up.
NO_CONTENT = object()


class Reader(FixedResponses):
    """A server that also has lists, and the metadata of secret-ids, by their accessor."""

    def list(self, path: str) -> list[str]:
        return [*self.get(path)["data"]]

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        path = f"{path} {(body or {})['secret_id_accessor']}"
        return {} if self.responses[path] is NO_CONTENT else self.get(path)


def kv(current: int, **version: Any) -> dict[str, Any]:
    found = {"created_time": TIME, "deletion_time": "", "destroyed": False, **version}
    return {"current_version": current, "versions": {str(current): found}}


SECONDS = CREATED.replace(microsecond=0)
PATHS = {
    Kind.SECRET: "secret/metadata/x",
    Kind.KEY: "transit/keys/x",
    Kind.STATIC_USER: "database/static-roles/x",
}


@pytest.mark.parametrize(
    ("kind", "data", "age"),
    [
        (Kind.SECRET, kv(1), Age(CREATED, None, 1)),
        (Kind.SECRET, kv(4), Age(CREATED, CREATED, 4)),
        (Kind.SECRET, None, Age(reason="no version was written")),
        (Kind.SECRET, {"current_version": 0, "versions": {}}, Age(reason="no version was written")),
        (
            Kind.SECRET,
            kv(2, deletion_time="2026-05-31T00:00:00Z"),
            Age(version=2, reason="version 2 is deleted"),
        ),
        # delete_version_after gives each version a deletion time in the future.
        (Kind.SECRET, kv(2, deletion_time="2026-06-02T00:00:00Z"), Age(CREATED, CREATED, 2)),
        (Kind.SECRET, kv(2, destroyed=True), Age(version=2, reason="version 2 is destroyed")),
        (
            Kind.KEY,
            {"latest_version": 2, "keys": {"1": 0, "2": 1_777_593_600}},
            Age(SECONDS, SECONDS, 2),
        ),
        (
            Kind.KEY,
            {"latest_version": 1, "keys": {"1": {"creation_time": TIME, "public_key": ""}}},
            Age(CREATED, None, 1),
        ),
        (Kind.KEY, None, Age(reason="the key does not exist")),
        (Kind.STATIC_USER, {"last_vault_rotation": TIME}, Age(CREATED, CREATED)),
        (
            Kind.STATIC_USER,
            {"last_vault_rotation": NEVER},
            Age(reason="the server has not set the password yet"),
        ),
        (Kind.STATIC_USER, None, Age(reason="the static role does not exist")),
    ],
)
def test_age_is_read_from_metadata(kind: Kind, data: Any, age: Age) -> None:
    assert read_ages(Reader({PATHS[kind]: data}), item(kind), DEFAULT_MOUNTS, NOW) == [age]


class TestSecretIds:
    role = "auth/approle/role/x"

    def ages(self, **found: Any) -> list[Age]:
        responses = {f"{self.role}/secret-id-accessor/lookup {key}": v for key, v in found.items()}
        reader = Reader({self.role: {}, f"{self.role}/secret-id": list(found), **responses})
        return read_ages(reader, item(Kind.SECRET_ID), DEFAULT_MOUNTS, NOW)

    def test_each_valid_secret_id_has_an_age_the_oldest_first(self) -> None:
        expires = "2026-07-01T00:00:00Z"
        found = self.ages(
            b={"creation_time": "2026-05-02T00:00:00Z", "expiration_time": NEVER},
            a={"creation_time": TIME, "expiration_time": expires},
            used_up=None,
            being_deleted=NO_CONTENT,
            expired={"creation_time": TIME, "expiration_time": "2026-05-31T00:00:00Z"},
        )
        assert [age.accessor for age in found] == ["a", "b"]
        assert [age.expires for age in found] == [datetime(2026, 7, 1, tzinfo=UTC), None]

    def test_secret_id_has_its_name_and_host(self) -> None:
        metadata = {"issued": "web", "host": "web-1"}
        times = {"creation_time": TIME, "expiration_time": NEVER}
        (found,) = self.ages(a={**times, "metadata": metadata})
        assert (found.issued, found.host) == ("web", "web-1")

    def test_role_without_a_valid_secret_id_has_no_value(self) -> None:
        assert self.ages() == [Age(reason="the AppRole has no valid secret-id")]

    def test_role_that_does_not_exist_has_no_value(self) -> None:
        ages = read_ages(Reader({self.role: None}), item(Kind.SECRET_ID), DEFAULT_MOUNTS, NOW)
        assert ages == [Age(reason="the AppRole does not exist")]

    def test_denied_list_is_unknown(self) -> None:
        reader = Reader({self.role: {}, f"{self.role}/secret-id": AccessDenied("denied")})
        (age,) = read_ages(reader, item(Kind.SECRET_ID), DEFAULT_MOUNTS, NOW)
        assert not age.is_known
        assert "the credential of the auditor may" in str(age.reason)

    def test_denied_metadata_is_an_error(self) -> None:
        reader = Reader({"secret/metadata/x": AccessDenied("denied")})
        with pytest.raises(AccessDenied):
            read_ages(reader, item(Kind.SECRET), DEFAULT_MOUNTS, NOW)
