"""Choice between a local deployment on Vault and one on AWS. Nothing is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console import operate
from console.dev_on_aws import apply_backend
from console.local_choice import local_aws
from tests.support.models.aws_declared import ENVIRONMENT, declare_on_aws
from vault.runtime.layout import Layout
from vault.runtime.servers import moto_package

ON_VAULT: dict[str, Any] = {
    "environment": "dev",
    "owner": "platform-team",
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
    "people": {"developer": {"policies": ["developer"]}},
    "services": {"shop": {"colours": ["blue", "green"]}},
}
ON_AWS = {**ENVIRONMENT, "environment": "dev"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a declaration, without dev."""
    declare_on_aws(tmp_path)
    monkeypatch.setenv(operate.DECLARATION, str(tmp_path))
    for name in ("SECRETS_BACKEND", "STRONGROOM_RUNTIME", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def declare_dev(folder: Path, document: dict[str, Any]) -> None:
    (folder / "environments/dev.yaml").write_text(json.dumps(document))


def started(folder: Path, runtime: str) -> Path:
    """Return the folder of a deployment that was started on *runtime*."""
    layout = Layout(folder / ".strongroom")
    layout.create()
    write_private(layout.runtime, runtime)
    return layout.root


@pytest.mark.parametrize(
    ("document", "backend", "account"),
    [
        (ON_VAULT, "", None),
        (ON_VAULT, "vault", None),
        (ON_VAULT, "aws", "123456789012"),
        (ON_AWS, "", "123456789012"),
        ({**ON_AWS, "aws": {"account": "111122223333", "region": "eu-west-1"}}, "", "111122223333"),
    ],
)
def test_deployment_is_on_aws_if_declared_or_asked_for(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    document: dict[str, Any],
    backend: str,
    account: str | None,
) -> None:
    declare_dev(folder, document)
    monkeypatch.setenv("SECRETS_BACKEND", backend)
    found = local_aws(folder / ".strongroom")
    assert (found and found.declaration.account(Environment.DEV).account) == account


@pytest.mark.parametrize("backend", ["AWS", "moto"])
def test_unknown_backend_is_refused_and_not_taken_for_vault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    declare_dev(folder, ON_VAULT)
    monkeypatch.setenv("SECRETS_BACKEND", backend)
    expected = f"SECRETS_BACKEND is '{backend}'; expected one of vault, aws, memory"
    with pytest.raises(ConfigurationError, match=expected):
        operate.load_declaration()


def test_dev_that_is_put_on_aws_has_nothing_of_vault(folder: Path) -> None:
    declare_dev(folder, ON_VAULT)
    declared = operate.repository().load()
    found = apply_backend(declared, {"SECRETS_BACKEND": "aws", "AWS_REGION": "us-east-1"})
    dev = found.environment(Environment.DEV)
    assert dev.aws is not None
    assert dev.aws.region == "us-east-1"
    assert (dev.people, dev.services["shop"].colours) == ({}, ())
    assert found.environment("cloud") == declared.environment("cloud")


def test_dev_with_a_key_that_kms_does_not_rotate_so_cannot_be_on_aws(folder: Path) -> None:
    keys = {"pii": {"allow": ["encrypt"], "rotate_every": "30d"}}
    (folder / "environments/cloud.yaml").unlink()
    service = json.loads((folder / "services/shop.yaml").read_text())
    (folder / "services/shop.yaml").write_text(json.dumps({**service, "keys": keys}))
    declare_dev(folder, ON_VAULT)
    declared = operate.repository().load()
    with pytest.raises(
        ConfigurationError, match=r"its key 'pii' rotates every 30d \(expected whole"
    ):
        apply_backend(declared, {"SECRETS_BACKEND": "aws"})


def test_deployment_that_was_started_on_moto_stays_on_aws_in_any_shell(folder: Path) -> None:
    declare_dev(folder, ON_VAULT)
    root = started(folder, "moto")
    assert local_aws(root) is not None
    with pytest.raises(ConfigurationError, match="is on AWS, and this command is for one on Vault"):
        operate.local_deployment(root)


@pytest.mark.parametrize(
    ("runtime", "variable", "message"),
    [
        ("embedded", None, "was started with RUNTIME=embedded; erase it before"),
        (None, "docker", "STRONGROOM_RUNTIME is 'docker', but dev is on AWS"),
    ],
)
def test_deployment_on_aws_in_another_runtime_is_refused(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str | None,
    variable: str | None,
    message: str,
) -> None:
    declare_dev(folder, ON_AWS)
    root = started(folder, runtime) if runtime else folder / ".strongroom"
    if variable:
        monkeypatch.setenv("STRONGROOM_RUNTIME", variable)
    with pytest.raises(ConfigurationError, match=message):
        local_aws(root)


def test_deployment_on_aws_without_moto_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_dev(folder, ON_AWS)
    monkeypatch.setattr(moto_package, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"install strongroom\[moto\]"):
        local_aws(folder / ".strongroom")
