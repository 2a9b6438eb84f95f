"""Choice between a local deployment on Vault and one on AWS. Nothing is started."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console.target.checkout import DECLARATION, Checkout
from console.target.local_start import local_aws
from console.target.target import Target, open_target
from local.aws.dev_on_aws import apply_backend
from local.layout import Layout
from local.servers import moto_package
from tests.support.models.aws_declared import ENVIRONMENT, declare_on_aws

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
    monkeypatch.setenv(DECLARATION, str(tmp_path))
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
    found = local_aws(open_target(root=folder / ".strongroom"))
    assert (found and found.declaration.account(Environment.DEV).account) == account


@pytest.mark.parametrize("backend", ["AWS", "moto"])
def test_unknown_backend_is_refused_and_not_taken_for_vault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    declare_dev(folder, ON_VAULT)
    monkeypatch.setenv("SECRETS_BACKEND", backend)
    expected = f"SECRETS_BACKEND is '{backend}'; expected one of vault, aws, memory"
    with pytest.raises(ConfigurationError, match=expected):
        _ = Checkout().declaration


def test_dev_that_is_put_on_aws_has_nothing_of_vault(folder: Path) -> None:
    declare_dev(folder, ON_VAULT)
    declared = Checkout().repository.load()
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
    declared = Checkout().repository.load()
    with pytest.raises(
        ConfigurationError, match=r"its key 'pii' rotates every 30d \(expected whole"
    ):
        apply_backend(declared, {"SECRETS_BACKEND": "aws"})


def test_deployment_that_was_started_on_moto_stays_on_aws_in_any_shell(folder: Path) -> None:
    declare_dev(folder, ON_VAULT)
    root = started(folder, "moto")
    assert local_aws(open_target(root=root)) is not None
    with pytest.raises(ConfigurationError) as raised:
        open_target(root=root).local_deployment()
    message = str(raised.value)
    assert f"the local deployment in {root} is on AWS, and without its variables" in message
    assert f"read them with set -a; . {root}/dev.env; set +a, and pass no --root" in message
    assert "use one that is on AWS: strongroom plan," in message


@pytest.mark.parametrize(
    ("document", "backend", "reason", "remedy"),
    [
        (ON_VAULT, "aws", "because SECRETS_BACKEND is aws", "unset SECRETS_BACKEND"),
        (ON_AWS, "", "as its file says", "declare 'vault' there in place of 'aws'"),
        (ON_AWS, "aws", "as its file says", "declare 'vault' there in place of 'aws'"),
    ],
)
@pytest.mark.parametrize("opened", [Target.local_deployment, local_aws])
def test_deployment_on_vault_while_dev_is_on_aws_says_why_and_what_to_do(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    document: dict[str, Any],
    backend: str,
    reason: str,
    remedy: str,
    opened: Callable[[Target], object],
) -> None:
    declare_dev(folder, document)
    monkeypatch.setenv("SECRETS_BACKEND", backend)
    with pytest.raises(ConfigurationError) as raised:
        opened(open_target(root=started(folder, "embedded")))
    assert f"dev is on AWS, {reason}" in str(raised.value)
    assert remedy in str(raised.value)


def test_deployment_on_vault_is_not_to_be_erased_for_one_on_aws(folder: Path) -> None:
    declare_dev(folder, ON_AWS)
    with pytest.raises(
        ConfigurationError, match=r"another folder, such as --root \.strongroom-aws"
    ):
        local_aws(open_target(root=started(folder, "embedded")))


def test_deployment_on_aws_in_another_runtime_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_dev(folder, ON_AWS)
    monkeypatch.setenv("STRONGROOM_RUNTIME", "docker")
    with pytest.raises(
        ConfigurationError, match="STRONGROOM_RUNTIME is 'docker', but dev is on AWS"
    ):
        local_aws(open_target(root=folder / ".strongroom"))


def test_deployment_on_aws_without_moto_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_dev(folder, ON_AWS)
    monkeypatch.setattr(moto_package, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"install strongroom\[moto\]"):
        local_aws(open_target(root=folder / ".strongroom"))
