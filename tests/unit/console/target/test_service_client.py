"""Settings and credentials of commands that act as a service, in a shell with other variables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.settings import Settings
from console.commands.every_day.redis_rules import without_other_services
from console.target import local_folder, service_client
from console.target import target as target_module
from console.target.target import Target, open_target
from local.layout import Layout
from vault.declare.load import load
from vault.declare.server_names import BREAK_GLASS, JOBS

WEB: Final = Scope("gaara-store", Environment.DEV)
WRITTEN: Final = {
    "VAULT_ADDR": "http://127.0.0.1:18200",
    "ENVIRONMENT": "development",
    "STRONGROOM_SERVICE": "gaara-store",
    "STRONGROOM_ROLE_ID_FILE": "/deployment/role-id",
    "STRONGROOM_SECRET_ID_FILE": "/deployment/secret-id",
    "SECRETS_BACKEND": "vault",
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a deployment have written its variables, and this shell have none."""
    for module in (target_module, local_folder):
        monkeypatch.setattr(module, "open_layout", Layout)
    monkeypatch.setattr(service_client, "_check_reader", lambda *_: None)
    write(tmp_path, WRITTEN)
    with patch.dict(os.environ, {"PATH": "/bin"}, clear=True):
        yield


def write(root: Path, variables: Mapping[str, str]) -> None:
    """Write the variables as ``up`` does."""
    file = Layout(root).service_env(WEB.service)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("# Variables\n" + "".join(f"{k}={v}\n" for k, v in variables.items()))


def read_settings(root: Path) -> Settings:
    with service_client.open_reader(open_target(WEB.environment, root), WEB) as client:
        return client.settings


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "strays",
    [
        {"STRONGROOM_ENVIRONMENT": "prod"},
        {"STRONGROOM_AUTH": "token", "STRONGROOM_TOKEN_FILE": "/home/ada/.vault-token"},
        {"STRONGROOM_DATABASE_URL": "postgresql://db.example.com/shop"},
        {"STRONGROOM_SOURCES": "env-file", "STRONGROOM_VAULT_ADDRS": "https://vault.example.com"},
    ],
    ids=lambda strays: next(iter(strays)),
)
def test_local_reader_follows_no_variable_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strays: dict[str, str]
) -> None:
    expected = read_settings(tmp_path)
    assert (expected.scope, expected.auth.method) == (WEB, "approle")
    monkeypatch.setattr(Target, "is_local", True)
    for name, value in strays.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    assert read_settings(tmp_path) == expected
    assert dict(os.environ) == before


@pytest.mark.usefixtures("repository")
def test_local_reader_takes_limits_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_LIMIT_CACHE_TTL", "2")
    assert read_settings(tmp_path).limits.cache_ttl == 2


@pytest.mark.usefixtures("repository")
def test_written_variables_of_another_service_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {**WRITTEN, "STRONGROOM_ENVIRONMENT": "staging"})
    with pytest.raises(ConfigurationError, match="for gaara-store-dev are those of gaara-store-st"):
        read_settings(tmp_path)


@pytest.mark.usefixtures("repository")
def test_boto3_finds_the_written_login_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"AWS_ACCESS_KEY_ID": "local", "AWS_ENDPOINT_URL": "http://127.0.0.1:14566"}
    write(tmp_path, {**WRITTEN, **own})
    strays = ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ACCESS_KEY_ID")
    for name in (*strays, "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "of-production")
    read_settings(tmp_path)
    assert {name: os.environ[name] for name in os.environ if name.startswith("AWS_")} == own


def test_recorded_command_gets_no_variable_of_another_service() -> None:
    strays = {"STRONGROOM_ENVIRONMENT": "prod", "ENVIRONMENT": "production", "VAULT_TOKEN": "t"}
    assert without_other_services({**strays, "PATH": "/bin"}) == {"PATH": "/bin"}


def check(policies: dict[str, list[str]], deployment: str = "strongroom") -> None:
    """Check a token with *policies* as ``run`` and ``get`` do."""
    session = SimpleNamespace(get=lambda _: {"data": policies})
    settings = SimpleNamespace(source_order=("vault",), scope=WEB)
    declared = load().environment("dev").model_copy(update={"deployment": deployment})
    client: Any = SimpleNamespace(settings=settings, session=session)
    service_client._check_reader(client, declared)


@pytest.mark.parametrize("policy", ["root", *JOBS, BREAK_GLASS])
@pytest.mark.parametrize("key", ["policies", "identity_policies"])
def test_credential_of_an_operator_is_refused(policy: str, key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"has the policy {policy}, and"):
        check({"policies": ["default"], key: ["default", policy]})


def test_jobs_have_the_names_of_their_deployment() -> None:
    with pytest.raises(ConfigurationError, match="has the policy shop-rotator"):
        check({"policies": ["shop-rotator"]}, "shop")


def test_credential_of_a_person_is_taken() -> None:
    check({"policies": ["default", "developer"], "identity_policies": ["gaara-store-dev"]})
