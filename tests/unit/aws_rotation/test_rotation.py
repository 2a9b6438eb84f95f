"""Decisions of the rotation function that need no server."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from app_integration.aws.request import AwsRequest
from app_integration.errors import AccessDenied
from app_integration.secret import Secret
from aws.rotation import handler
from aws.rotation.database import connection_parameters
from aws.rotation.database_url import DatabaseUrl
from aws.rotation.errors import RotationRefused
from aws.rotation.generated import GeneratedSecret
from aws.rotation.instructions import (
    ALPHABETS,
    ANNOUNCED_TAG,
    HOW_TAG,
    MIN_AGE_TAG,
    GeneratedInstructions,
    PairInstructions,
    parse_instructions,
    parse_min_age,
)
from aws.rotation.manager import manager_secret
from aws.rotation.rotation import Rotation, Step, check_age, is_current
from aws.rotation.versions import Description, SecretVersions, StoredVersion
from vault.declare.schema import secret_sources

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT: Final = {"Step": "createSecret", "SecretId": "shop/prod/key", "ClientRequestToken": "new"}


def describe(stages: dict[str, tuple[str, ...]], *, is_rotated: bool = True) -> Description:
    return Description("shop/prod/key", is_rotated, {}, stages)


@pytest.mark.parametrize("labels", [("AWSCURRENT",), ("AWSCURRENT", "AWSPENDING")])
def test_version_that_is_current_leaves_nothing_to_do(labels: tuple[str, ...]) -> None:
    assert is_current(describe({"new": labels}, is_rotated=False), "new")


class Announced:
    """Versions of a signing key whose next value was announced an hour ago."""

    def __init__(self) -> None:
        self.written: dict[str, Secret] = {}

    def describe(self) -> Description:
        stages = {"old": ("AWSCURRENT",), "new": ("AWSPENDING",)}
        tags = {HOW_TAG: "generated 32 hex", MIN_AGE_TAG: "3600", ANNOUNCED_TAG: "next"}
        return Description("shop/prod/key", is_rotated=True, tags=tags, stages=stages)

    def pending(self, _token: str) -> None:
        """Return no value."""

    def current(self) -> StoredVersion:
        return StoredVersion("old", Secret("0" * 32), NOW - timedelta(days=30))

    def announced(self) -> StoredVersion:
        return StoredVersion("next", Secret("1" * 32), NOW - timedelta(hours=1))

    def put(self, token: str, value: Secret) -> None:
        self.written[token] = value


@pytest.mark.parametrize("late", [0, 1])
def test_value_is_used_only_if_it_was_announced_for_long_enough(late: int) -> None:
    """The last step of the rotation before may have been repeated long after the first time."""
    versions: Any = Announced()
    kind = GeneratedSecret(GeneratedInstructions(32, "hex"))
    rotation = Rotation(versions, lambda _: kind, lambda: NOW - timedelta(seconds=late))
    rotation.run(Step.CREATE, "new")
    assert (versions.written["new"] == "1" * 32) is not bool(late)


def test_pending_version_is_not_current() -> None:
    assert not is_current(describe({"old": ("AWSCURRENT",), "new": ("AWSPENDING",)}), "new")


@pytest.mark.parametrize(
    "stages",
    [
        {},
        {"new": ()},
        {"new": ("AWSPREVIOUS",)},
        {"other": ("AWSPENDING",)},
        {"other": ("AWSCURRENT",), "new": ("AWSPREVIOUS", "AWSPENDING")},
    ],
)
def test_version_that_is_not_pending_is_refused(stages: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(RotationRefused, match="not the pending version"):
        is_current(describe(stages), "new")


def test_rotation_that_is_switched_off_is_refused() -> None:
    with pytest.raises(RotationRefused, match="switched off"):
        is_current(describe({"new": ("AWSPENDING",)}, is_rotated=False), "new")


@pytest.mark.parametrize(("age", "is_refused"), [(3899, True), (3900, False), (90_000, False)])
@pytest.mark.parametrize("dated", ["CreatedDate", "LastRotatedDate"])
def test_rotation_waits_for_the_age_of_the_current_version(
    dated: str, age: int, *, is_refused: bool
) -> None:
    """Let the other one of the two times be long ago, or absent."""
    since = NOW - timedelta(seconds=age)
    found = {
        "Name": "shop/prod/key",
        "Tags": [{"Key": MIN_AGE_TAG, "Value": "3900"}],
        **({"LastRotatedDate": since} if dated == "LastRotatedDate" else {}),
    }
    description = SecretVersions(lambda _: found, "shop/prod/key").describe()
    created = since if dated == "CreatedDate" else NOW - timedelta(days=9)
    current = StoredVersion("old", Secret("x"), created)
    if is_refused:
        with pytest.raises(RotationRefused, match="may be in use until 2026-03-01 12:00:01"):
            check_age(current, description, NOW)
    else:
        check_age(current, description, NOW)


@pytest.mark.parametrize(
    ("host", "sslmode"),
    [
        ("127.0.0.1", "disable"),
        ("[::1]", "disable"),
        ("localhost", "disable"),
        ("db.example.com", "verify-full"),
        ("10.0.0.1", "verify-full"),
    ],
)
def test_connection_beyond_this_machine_verifies_the_server(host: str, sslmode: str) -> None:
    text = f"postgresql://a:b@{host}/shop?sslmode=allow&sslrootcert=/app/ca.pem"
    found = connection_parameters(DatabaseUrl.parse(Secret(text), "url"))
    assert (found["sslmode"], found["require_auth"]) == (sslmode, "scram-sha-256")
    assert not {"sslrootcert", "password"} & found.keys()


@pytest.mark.parametrize(
    "instructions",
    [PairInstructions(("shop_app_a", "shop-app-b")), GeneratedInstructions(48, "urlsafe")],
)
def test_instructions_survive_a_tag(instructions: PairInstructions | GeneratedInstructions) -> None:
    assert parse_instructions({HOW_TAG: str(instructions)}) == instructions


@pytest.mark.parametrize(
    "text", ["", "users a", "users a a", "users a b c", "generated x hex", "generated 48 ascii"]
)
def test_tag_without_instructions_is_refused(text: str) -> None:
    with pytest.raises(RotationRefused, match="run strongroom apply"):
        parse_instructions({HOW_TAG: text})


@pytest.mark.parametrize("tags", [{}, {MIN_AGE_TAG: "1h"}, {MIN_AGE_TAG: "-1"}])
def test_tag_without_seconds_is_refused(tags: dict[str, str]) -> None:
    with pytest.raises(RotationRefused, match=MIN_AGE_TAG):
        parse_min_age(tags)


def test_alphabets_are_those_of_a_declaration() -> None:
    assert ALPHABETS == secret_sources.ALPHABETS


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_generated_value_has_the_declared_form(alphabet: str) -> None:
    kind = GeneratedSecret(GeneratedInstructions(48, alphabet))
    value = kind.create(Secret("old"))
    kind.check(value, Secret("old"))
    kind.test(value, Secret("old"))
    assert len({kind.create(Secret("old")).reveal() for _ in range(20)}) == 20


@pytest.mark.parametrize("value", ["", "0" * 47, "0" * 49, "g" * 48])
def test_generated_value_of_another_form_is_refused(value: str) -> None:
    with pytest.raises(RotationRefused, match="is not 48 characters of hex"):
        GeneratedSecret(GeneratedInstructions(48, "hex")).test(Secret(value), Secret("old"))


def test_generated_value_that_is_the_old_one_is_refused() -> None:
    with pytest.raises(RotationRefused, match="the old one"):
        GeneratedSecret(GeneratedInstructions(48, "hex")).check(Secret("old"), Secret("old"))


def test_manager_is_that_of_service_and_environment() -> None:
    assert manager_secret("shop/prod/reports/url") == "_strongroom/prod/shop/database-manager"
    with pytest.raises(RotationRefused, match="is not named"):
        manager_secret("database-url")


@pytest.mark.parametrize(
    "change",
    [{"Step": "deleteSecret"}, {"Step": None}, {"SecretId": 1}, {"ClientRequestToken": []}],
)
def test_event_of_another_kind_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RotationRefused, match="the event is none of a rotation"):
        handler.parse_event({**EVENT, **change})


def test_step_that_fails_is_logged_as_one_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    def call(request: AwsRequest) -> Mapping[str, Any]:
        raise AccessDenied(f"{request}: denied")

    with caplog.at_level(logging.INFO), pytest.raises(AccessDenied):
        handler.run(EVENT, call)
    (record,) = [each for each in caplog.records if each.name == "strongroom.rotation"]
    assert record.levelno == logging.ERROR
    assert json.loads(record.getMessage()) == {
        **EVENT,
        "outcome": "failed",
        "reason": "secretsmanager DescribeSecret shop/prod/key: denied",
    }
