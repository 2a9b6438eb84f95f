"""Files that deliver a config without an agent, for each target, of an environment on AWS."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from agent.targets.host import Host
from agent.targets.sdk import compose, kubernetes, systemd
from agent.targets.sdk.settings import SdkSettings, sdk_settings
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.rendering.skeleton import Skeleton
from console.target.checkout import DECLARATION
from tests.support.manifests import find_errors, merge
from tests.support.models import pods
from tests.support.models.systemd_unit import read_unit, read_words
from tests.support.processes.command import run_command
from vault.declare.load import load

SCOPE: Final = Scope("parcels", Environment("prod"))
COMMAND: Final = ("sh", "-c", 'exec app --price "5$" 100%')
HOST: Final = Host(command=COMMAND)
VARIABLES: Final = {
    "STRONGROOM_SERVICE": "parcels",
    "ENVIRONMENT": "prod",
    "SECRETS_BACKEND": "aws",
    "AWS_REGION": "eu-central-1",
}
SKELETON: Final = "app.json.skeleton.json"


def declared(folder: Path, **environment: Any) -> Path:
    """Write the declaration of ``parcels`` in prod, which is on AWS unless *environment* says."""
    for name in ("services", "environments", "templates/parcels"):
        (folder / name).mkdir(parents=True)
    (folder / "templates/parcels/app.json.j2").write_text(pods.TEMPLATE)
    account = {"account": "123456789012", "region": "eu-central-1"}
    prod = {
        "environment": "prod",
        "owner": "platform-team",
        "services": {"parcels": {}},
        **(environment or {"aws": account}),
    }
    (folder / "services/parcels.yaml").write_text(
        json.dumps({**pods.SERVICE, "config": pods.CONFIG})
    )
    (folder / "environments/prod.yaml").write_text(json.dumps(prod))
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> SdkSettings:
    folder = declared(tmp_path)
    return sdk_settings(load(folder, folder / "templates"), SCOPE)


def test_variables_name_replicas_and_secrets_of_others(tmp_path: Path) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:210987654321:secret:rds!db-12ab-AbCdEf"
    replicas = dict.fromkeys(("eu-west-1", "us-east-1"), "alias/aws/secretsmanager")
    account = {"account": "123456789012", "region": "eu-central-1", "replicas": replicas}
    services = {"parcels": {"secret_arns": {"db": arn}}}
    folder = declared(tmp_path, aws=account, services=services)
    service = json.loads((folder / "services/parcels.yaml").read_text())
    service["secrets"]["db"] = {"source": "given"}
    (folder / "services/parcels.yaml").write_text(json.dumps(service))
    variables = sdk_settings(load(folder, folder / "templates"), SCOPE).variables
    assert variables == {
        **VARIABLES,
        "STRONGROOM_AWS_REPLICAS": "eu-west-1,us-east-1",
        "STRONGROOM_SECRET_ARNS": f"db={arn}",
    }


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_skeleton_has_the_settings_and_the_places_of_secrets(settings: SdkSettings) -> None:
    written = systemd.build(settings, HOST)[SKELETON]
    skeleton = Skeleton.parse(written.encode(), SKELETON)
    assert (skeleton.scope, skeleton.file, skeleton.lines) == (SCOPE, "app.json", {"token": 1})
    assert skeleton.template.endswith("templates/parcels/app.json.j2")
    assert skeleton.pieces[-1] == ', "mood": "well"}\n'


@pytest.mark.parametrize("version", ["1.33", "1.36"])
def test_deployment_is_valid_and_needs_no_agent(settings: SdkSettings, version: str) -> None:
    files = kubernetes.build(settings, HOST)
    deployment = merge(pods.DEPLOYMENT, yaml.safe_load(files["deployment.yaml"]))
    kubernetes_validate.validate(deployment, version, strict=True)
    component = yaml.safe_load(files["kustomization.yaml"])
    generated = component["configMapGenerator"]
    maps = {each["name"]: {Path(file).name for file in each["files"]} for each in generated}
    assert find_errors(deployment, maps) == []
    assert {generated[0]["files"][0], component["patches"][0]["path"]} <= files.keys()
    pod = deployment["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["initContainers"]] == ["migrate"]
    application = next(each for each in pod["containers"] if each["name"] == "parcels")
    variables = {each["name"]: each["value"] for each in application["env"]}
    assert variables.items() >= VARIABLES.items()
    mounts = {each["mountPath"] for each in application["volumeMounts"]}
    command = application["command"]
    assert option(command, "--live") == variables["STRONGROOM_CONFIG"]
    assert str(Path(option(command, "--from-sdk")).parent) in mounts
    for name in ("--live", "--watch"):
        # A folder below the volume, which the delivery makes with mode 0700.
        assert str(Path(option(command, name)).parents[1]) in mounts
    assert option(command, "--live") != option(command, "--watch")
    assert application["args"] == [word.replace("$", "$$") for word in COMMAND]


def test_compose_service_mounts_the_skeleton_and_keeps_files_in_memory(
    settings: SdkSettings,
) -> None:
    document = yaml.safe_load(compose.build(settings, HOST)["compose.yaml"])
    assert list(document["services"]) == ["parcels"]
    service = document["services"]["parcels"]
    mounted = {each["target"]: each["source"] for each in service["volumes"]}
    start = service["entrypoint"]
    assert "PARCELS_AGENT_FILES" in mounted[str(Path(option(start, "--from-sdk")).parent)]
    for name in ("--live", "--watch"):
        volume = mounted[str(Path(option(start, name)).parents[1])]
        assert document["volumes"][volume]["driver_opts"]["type"] == "tmpfs"
    assert service["environment"].items() >= VARIABLES.items()
    assert [*start[-1:], *service["command"]] == [
        "--",
        *(word.replace("$", "$$") for word in COMMAND),
    ]


def test_unit_named_like_a_folder_of_the_machine_is_rejected(settings: SdkSettings) -> None:
    named = replace(settings, scope=Scope("user", SCOPE.environment))
    with pytest.raises(ConfigurationError, match="folder /run/user of its own"):
        systemd.build(named, HOST)


@pytest.mark.parametrize("host", [HOST, Host(), Host(Path("/opt/a b/%i"), ("run",))])
def test_unit_delivers_by_the_sdk_and_systemd_has_nothing_to_say(
    settings: SdkSettings, host: Host, tmp_path: Path
) -> None:
    if not host.command:
        config = settings.config.model_copy(update={"reload": "none"})
        settings = replace(settings, config=config)
    files = systemd.build(settings, host)
    (name,) = [each for each in files if each.endswith(".service")]
    service = read_unit(files[name])["Service"]
    words = read_words(service["ExecStart"][0])
    assert option(words, "--from-sdk") == f"/etc/strongroom/parcels/{SKELETON}"
    assert option(words, "--watch") == "/run/parcels/staging/app.json"
    assert f"STRONGROOM_CONFIG={option(words, '--live')}" in service["Environment"]
    assert {f"{key}={value}" for key, value in VARIABLES.items()} <= set(service["Environment"])
    assert "SupplementaryGroups" not in service
    assert "".join(words).endswith("".join(("--", *host.command)) if host.command else "10")
    assert files["strongroom-parcels.sysusers.conf"].splitlines()[1:] == ['u parcels - "parcels"']
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    unit = tmp_path / name
    unit.write_text(re.sub(r"(?m)^ExecStart=(\"[^\"]*\"|\S+)", "ExecStart=/bin/sh", files[name]))
    done = subprocess.run(
        [program, "verify", "--man=no", str(unit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_authority_of_a_vault_server_is_refused_on_aws(tmp_path: Path) -> None:
    folder = declared(tmp_path)
    with pytest.raises(ConfigurationError, match="prod is on AWS, where --cacert has no meaning"):
        sdk_settings(load(folder, folder / "templates"), SCOPE, Path("/ca.pem"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--colour", "blue"), "--colour is for an agent; without one, build once"),
        (("--folder", "srv"), "srv is no absolute path"),
    ],
)
def test_command_refuses_what_a_delivery_without_an_agent_has_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setenv(DECLARATION, str(declared(tmp_path / "declared")))
    out = tmp_path / "out"
    command = ("agent", "build", "--service", "parcels", "--env", "prod", "--for", "systemd")
    assert run_command(monkeypatch, *command, "--out", str(out), *options, "--", "app") != 0
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not out.exists()


def test_environment_on_vault_has_its_address_and_authority(tmp_path: Path) -> None:
    environment = {
        "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
        "agent": {"render_interval": "5m"},
        "vault": {
            "address": "https://vault.example.com:8200",
            "extra_addresses": ["https://vault-2.example.com:8200"],
        },
    }
    folder = declared(tmp_path, **environment)
    built = sdk_settings(load(folder, folder / "templates"), SCOPE, Path("/etc/ca.pem"))
    assert built.variables["STRONGROOM_VAULT_ADDRS"] == "https://vault-2.example.com:8200"
    assert built.variables["VAULT_ADDR"] == "https://vault.example.com:8200"
    assert built.variables["VAULT_CACERT"] == "/etc/ca.pem"
    assert "SECRETS_BACKEND" not in built.variables
