"""Checks of secrets that a Lambda function rotates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app_integration.settings import Limits
from tests.support.models.aws_declared import ENVIRONMENT
from tests.support.models.aws_rotated import AWS, SECRETS, declare_rotated
from vault.declare.errors import DeclarationError
from vault.declare.schema.aws import min_rotation_age


def error(folder: Path, **parts: Any) -> str:
    with pytest.raises(DeclarationError) as caught:
        declare_rotated(folder, **parts)
    (line,) = str(caught.value).splitlines()
    return line


def with_secret(name: str, **spec: Any) -> dict[str, Any]:
    return {"secrets": {**SECRETS, name: {**SECRETS.get(name, {}), **spec}}}


def declare_dev(folder: Path) -> None:
    """Write the file of a second environment on AWS, which has no function."""
    (folder / "environments").mkdir()
    (folder / "environments/dev.yaml").write_text(
        "environment: dev\nowner: a-team\nservices: {}\n"
        "aws: {account: '123456789012', region: eu-central-1}\n"
    )


def test_function_and_pair_are_declared(tmp_path: Path) -> None:
    declared = declare_rotated(tmp_path)
    assert declared.account("cloud").rotation_function == "strongroom-rotation"


def test_version_is_current_for_as_long_as_the_one_before_may_be_used() -> None:
    limits = Limits()
    assert min_rotation_age(60) == limits.cache_ttl + limits.stale_limit + 60
    assert min_rotation_age(None) == limits.cache_ttl + limits.stale_limit + 86_400


@pytest.mark.parametrize("period", ["2d", "48h", "1000d"])
def test_period_that_outlasts_cache_and_grace_is_accepted(tmp_path: Path, period: str) -> None:
    assert declare_rotated(tmp_path, service=with_secret("password", rotate_every=period)).services


@pytest.mark.parametrize("period", ["1d", "25h", "1001d"])
def test_period_that_does_not_is_refused(tmp_path: Path, period: str) -> None:
    found = error(tmp_path, service=with_secret("password", rotate_every=period))
    assert f"whose secret 'password' rotates every {period} (expected whole days from 2d" in found


def test_period_must_outlast_the_declared_grace(tmp_path: Path) -> None:
    long = with_secret("database-url", rotate_every="7d", retire_after="7d")
    assert "whole days from 8d to 1000d" in error(tmp_path, service=long)
    short = with_secret("database-url", rotate_every="1d", retire_after="1h")
    assert declare_rotated(tmp_path, service=short).services


def test_secret_that_its_owner_changes_has_any_period(tmp_path: Path) -> None:
    assert declare_rotated(
        tmp_path, service=with_secret("smtp-password", rotate_every="1h")
    ).services


def test_secret_of_another_environment_has_any_period(tmp_path: Path) -> None:
    declare_dev(tmp_path)
    only = with_secret("password", rotate_every="1h", environments=["dev"])
    assert declare_rotated(tmp_path, service=only).services


@pytest.mark.parametrize("part", ["password", "database-url"])
def test_secret_that_is_derived_from_a_rotated_one_is_refused(tmp_path: Path, part: str) -> None:
    derived = with_secret("both", source="derived", format=f"x-{{{part}}}")
    assert f"'both' is derived from '{part}'" in error(tmp_path, service=derived)


@pytest.mark.parametrize(
    "spec",
    [
        {"format": "{{password}}-{smtp-password}"},
        {"format": "x-{password}", "environments": ["dev"]},
    ],
    ids=["literal braces", "another environment"],
)
def test_secret_that_is_not_derived_from_a_rotated_one_here_is_accepted(
    tmp_path: Path, spec: dict[str, Any]
) -> None:
    declare_dev(tmp_path)
    derived = with_secret("both", source="derived", **spec)
    assert declare_rotated(tmp_path, service=derived).services


def test_pair_without_a_function_is_refused(tmp_path: Path) -> None:
    found = error(tmp_path, aws=ENVIRONMENT["aws"])
    assert "has the key 'paired' (expected nothing, as 'aws' has no rotation_function" in found


def test_function_that_is_an_arn_is_refused(tmp_path: Path) -> None:
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:x"
    assert "without its ARN" in error(tmp_path, aws={**AWS, "rotation_function": arn})
