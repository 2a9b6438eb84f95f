"""The calls of the function, beside the IAM policy that is rendered for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aws.iam.evaluation import ApiCall
from aws.rotation.manager import manager_secret
from aws.rotation.rotation import Step
from tests.support.models.aws_rotated import declare_rotated, needed_calls
from tests.support.servers.aws_fault_server import AwsFaultServer
from tests.support.servers.rotation_site import RotatedSecret

pytestmark = pytest.mark.requires("embedded")

STAGE = "secretsmanager:VersionStage"


def shape(action: str, stage: str | None, *, is_manager: bool) -> tuple[str, str | None, bool]:
    """Return what of a call does not depend on names; a write names its stage in the request."""
    is_read = action == "secretsmanager:GetSecretValue"
    return action, stage if is_read else None, is_manager


def sent(proxy: AwsFaultServer, manager: str) -> Iterator[tuple[str, str | None, bool]]:
    for operation, text in zip(proxy.operations, proxy.bodies, strict=True):
        body = json.loads(text)
        is_manager = body["SecretId"] == manager
        yield shape(f"secretsmanager:{operation}", body.get("VersionStage"), is_manager=is_manager)


def needed(call: ApiCall) -> tuple[str, str | None, bool]:
    is_manager = "database-manager" in call.resource
    return shape(call.action, call.context.get(STAGE), is_manager=is_manager)


def test_policy_is_what_a_rotation_calls(secret: RotatedSecret, tmp_path: Path) -> None:
    token = secret.begin()
    secret.site.proxy.forget()
    for step in Step:
        secret.run(step, token, secret.site.connection.call)
    calls = needed_calls(declare_rotated(tmp_path))
    assert {*sent(secret.site.proxy, manager_secret(secret.name))} == {*map(needed, calls)}
