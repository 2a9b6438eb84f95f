"""Tests of the manifests that run an agent beside an application in Kubernetes."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from agent.targets.host import Host
from agent.targets.kubernetes import IMAGE, build
from agent.targets.settings import target_settings
from app_integration.config import file_reader
from app_integration.config.file_access import FileAccess
from app_integration.errors import ConfigRejected, ConfigurationError
from tests.support.manifests import find_errors, merge
from tests.support.models import pods
from tests.support.servers.issuer import Authority
from vault.declare.schema.database import SharedDatabase
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.model import Deployment
from vault.declare.schema.redis import RedisServer

ROOT: Final = Path(__file__).parents[3]
VERSIONS: Final = ("1.33", "1.36")
COMMAND: Final = ("sh", "-c", "exec $(which app) --price '5$' \"ü\"\n")
CA: Final = Path("/etc/strongroom-ca/ca.pem")
PEM: Final = Authority().pem
JWT: Final = {"audience": "strongroom", "subject": "system:serviceaccount:shops:parcels-web"}
OF_JWT: Final[dict[str, Any]] = {
    "agent": {**pods.AGENT, "login": "jwt"},
    "login": {"jwt": JWT},
}
CERT: Final = {"certificate_file": "/c", "key_file": "/k"}


def built(folder: Path, host: Host | None = None, **declared: Any) -> dict[str, str]:
    declaration = pods.declare_pod(folder / "declared", PEM, **declared)
    return build(target_settings(declaration, pods.SCOPE), host or Host(command=COMMAND))


def documents(files: dict[str, str]) -> dict[str, Any]:
    return {name: yaml.safe_load(text) for name, text in files.items() if name.endswith(".yaml")}


def deployed(files: dict[str, str], patch: str = "deployment.yaml") -> dict[str, Any]:
    """Return the team's Deployment with the patch."""
    merged: dict[str, Any] = merge(pods.DEPLOYMENT, yaml.safe_load(files[patch]))
    return merged


def config_maps(files: dict[str, str]) -> dict[str, set[str]]:
    """Return the keys of the config maps: those that are generated, and the CA's."""
    generated = yaml.safe_load(files["kustomization.yaml"])["configMapGenerator"]
    found = {each["name"]: {Path(file).name for file in each["files"]} for each in generated}
    return {**found, "strongroom-ca": {CA.name}}


def containers(deployment: dict[str, Any]) -> dict[str, dict[str, Any]]:
    pod = deployment["spec"]["template"]["spec"]
    found = [*pod.get("initContainers", []), *pod["containers"]]
    return {each["name"]: each for each in found}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("declared", [{}, OF_JWT, {"config": {"health": None}}])
@pytest.mark.parametrize("cacert", [None, CA])
def test_manifests_are_valid(
    tmp_path: Path, version: str, declared: dict[str, Any], cacert: Path | None
) -> None:
    declared = copy.deepcopy(declared)
    files = built(tmp_path, Host(command=COMMAND, cacert=cacert), **declared)
    found = documents(files)
    del found["kustomization.yaml"]
    patches = ("deployment.yaml", "injector.yaml")
    for manifest in [
        *(found[name] for name in found if name not in patches),
        *(deployed(files, patch) for patch in patches),
    ]:
        kubernetes_validate.validate(manifest, version, strict=True)
        assert find_errors(manifest, config_maps(files)) == []


def change(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Return a function that sets the value at *path* of a Deployment's pod."""

    def apply(deployment: dict[str, Any]) -> None:
        place: Any = deployment["spec"]["template"]["spec"]
        *parents, last = [int(part) if part.isdecimal() else part for part in path.split("/")]
        for part in parents:
            place = place[part]
        place[last] = value

    return apply


@pytest.mark.parametrize(
    ("breaks", "error"),
    [
        (change("initContainers/0/restartPolicy", "always"), "restartPolicy always"),
        (change("initContainers/0/name", "Agent"), "name Agent"),
        (change("initContainers/0/image", ""), "strongroom-agent: no image"),
        (change("initContainers/0/volumeMounts/0/name", "x"), "strongroom-agent: no volume x"),
        (change("volumes/0/configMap/name", "x"), "no config map x"),
        (change("volumes/0/configMap/items/1/key", "x"), "no key x"),
        (change("volumes/1/emptyDir/medium", "memory"), "medium memory"),
        (change("containers/0/startupProbe/httpGet/scheme", "http"), "scheme http"),
    ],
)
def test_what_schemas_do_not_see_is_found(
    tmp_path: Path, breaks: Callable[[dict[str, Any]], None], error: str
) -> None:
    files = built(tmp_path)
    deployment = copy.deepcopy(deployed(files))
    breaks(deployment)
    kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)
    assert find_errors(deployment, config_maps(files)) == [error]


def test_component_names_existing_files_and_the_deployment(tmp_path: Path) -> None:
    files = built(tmp_path)
    component = yaml.safe_load(files["kustomization.yaml"])
    assert component["kind"] == "Component"
    generator, patch = component["configMapGenerator"][0], component["patches"][0]
    named = {*component["resources"], *generator["files"], patch["path"]}
    assert named <= files.keys()
    assert files.keys() - named == {
        "kustomization.yaml",
        "injector.yaml",
        "network-policy.yaml",
        "token-review.yaml",
    }
    assert patch["target"] == {"kind": "Deployment", "name": "parcels"}


def test_deployment_keeps_what_is_the_teams(tmp_path: Path) -> None:
    deployment = deployed(built(tmp_path))
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == {"app": "parcels", "strongroom/service": "parcels"}
    found = containers(deployment)
    assert list(found) == ["strongroom-agent", "migrate", "parcels", "proxy"]
    assert found["proxy"] == {"name": "proxy", "image": "proxy:1"}
    application = found["parcels"]
    assert application["image"] == "parcels:1"
    assert [word.replace("$$", "$") for word in application["args"]] == list(COMMAND)
    assert {"name": "PORT", "value": "8000"} in application["env"]
    assert {"name": "uploads", "mountPath": "/uploads"} in application["volumeMounts"]


def test_probe_allows_the_first_file_and_the_first_trial(tmp_path: Path) -> None:
    application = containers(deployed(built(tmp_path)))["parcels"]
    probe = application["startupProbe"]
    assert probe["httpGet"] == {"path": "/health", "port": 8000, "scheme": "HTTP"}
    assert probe["periodSeconds"] * probe["failureThreshold"] == 120 + 10


@pytest.mark.parametrize("patch", ["deployment.yaml", "injector.yaml"])
@pytest.mark.parametrize("health", [pods.CONFIG["health"], None])
def test_startup_probe_of_the_team_is_replaced(
    tmp_path: Path, health: str | None, patch: str
) -> None:
    """Kubernetes rejects a probe of two kinds, which is what a merge would make."""
    files = built(tmp_path, config={"health": health})
    team = copy.deepcopy(pods.DEPLOYMENT)
    (application, _) = team["spec"]["template"]["spec"]["containers"]
    application["startupProbe"] = {"tcpSocket": {"port": 8000}, "initialDelaySeconds": 40}
    probe = containers(merge(team, yaml.safe_load(files[patch])))["parcels"]["startupProbe"]
    kind = "exec" if health is None else "httpGet"
    assert probe.keys() == {kind, "periodSeconds", "timeoutSeconds", "failureThreshold"}


def test_probe_without_a_health_page_waits_for_the_first_file(tmp_path: Path) -> None:
    config = {"health": None, "python": sys.executable}
    application = containers(deployed(built(tmp_path, config=config)))["parcels"]
    *command, live = application["startupProbe"]["exec"]["command"]
    assert live == application["env"][0]["value"]
    delivered = tmp_path / "app.json"
    assert subprocess.run([*command, delivered], check=False, stderr=subprocess.DEVNULL).returncode
    delivered.touch()
    subprocess.run([*command, delivered], check=True)


def test_containers_are_restricted_and_have_one_user(tmp_path: Path) -> None:
    found = containers(deployed(built(tmp_path)))
    shared = {
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert found["parcels"]["securityContext"] == shared
    assert found["strongroom-agent"]["securityContext"] == {
        **shared,
        "readOnlyRootFilesystem": True,
    }
    # Only the agent has the token, and only the application has the delivered file.
    mounts = {
        name: {mount["name"] for mount in each.get("volumeMounts", [])}
        for name, each in found.items()
    }
    assert [name for name in mounts if "strongroom-token" in mounts[name]] == ["strongroom-agent"]
    assert [name for name in mounts if "strongroom-live" in mounts[name]] == ["parcels"]


@pytest.mark.parametrize("mode", [0o777, 0o2777])
def test_files_of_one_user_are_accepted_in_volumes(tmp_path: Path, mode: int) -> None:
    """The modes are those of an emptyDir, without and with ``fsGroup``."""
    files = built(tmp_path)
    application = containers(deployed(files))["parcels"]
    live = Path(application["env"][0]["value"])
    mounted = [Path(mount["mountPath"]) for mount in application["volumeMounts"]]
    assert live.parent not in mounted
    assert live.parent.parent in mounted
    assert re.search(r'perms += "0600"', files["agent.hcl"])

    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(mode)
    staged = volume / "app.json"
    staged.write_bytes(b"{}")
    staged.chmod(0o600)
    assert file_reader.read(staged, FileAccess()) == b"{}"
    folder = volume / "config"
    folder.mkdir(mode=0o700)  # as the delivery does
    assert FileAccess().file_mode(folder) == 0o600
    for access in (FileAccess(), FileAccess(volume.stat().st_gid)):
        with pytest.raises(ConfigRejected, match=f"has mode {mode:04o}"):
            access.file_mode(volume)


def test_agent_is_configured_for_its_mounts(tmp_path: Path) -> None:
    files = built(tmp_path, Host(command=COMMAND, cacert=CA))
    deployment = deployed(files)
    agent = containers(deployment)["strongroom-agent"]
    assert agent["image"] == IMAGE
    assert f"image: ${{VAULT_IMAGE:-{IMAGE}}}" in (ROOT / "docker-compose.yml").read_text()
    assert agent["command"] == ["bao", "agent", "-config=/etc/strongroom/agent.hcl"]
    mounts = {mount["name"]: mount for mount in agent["volumeMounts"]}
    assert mounts["strongroom-ca"]["subPath"] == "ca.pem"
    paths = {name: mount["mountPath"] for name, mount in mounts.items()}
    text = files["agent.hcl"]
    for place in (
        f'ca_cert = "{paths["strongroom-ca"]}"',
        f'token_path = "{paths["strongroom-token"]}/token"',
        f'destination          = "{paths["strongroom-staging"]}/app.json"',
        f'source               = "{paths["strongroom-agent"]}/templates/app.json.ctmpl"',
    ):
        assert place in text
    volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
    items = volumes["strongroom-agent"]["configMap"]["items"]
    assert {item["path"] for item in items} == {"agent.hcl", "templates/app.json.ctmpl"}


@pytest.mark.parametrize(
    ("declared", "audience"),
    [
        ({}, None),
        ({"login": {"kubernetes": {**pods.KUBERNETES, "audience": "vault"}}}, "vault"),
        (OF_JWT, "strongroom"),
    ],
)
def test_token_has_the_declared_audience(
    tmp_path: Path, declared: dict[str, Any], audience: str | None
) -> None:
    files = built(tmp_path, **declared)
    pod = deployed(files)["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    (source,) = volumes["strongroom-token"]["projected"]["sources"]
    token = source["serviceAccountToken"]
    assert token.get("audience") == audience
    assert token["path"] == "token"
    assert pod["serviceAccountName"] == "parcels-web"
    assert yaml.safe_load(files["service-account.yaml"])["metadata"]["name"] == "parcels-web"
    # With another audience than the cluster's own, the token cannot review itself.
    assert ("token-review.yaml" in files) == (audience is None)


def test_token_review_is_bound_to_each_account_that_may_log_in(tmp_path: Path) -> None:
    login = {"kubernetes": {"namespaces": ["a", "b"], "service_accounts": ["web", "web-green"]}}
    files = documents(built(tmp_path, login=login))
    bound = [(each["namespace"], each["name"]) for each in files["token-review.yaml"]["subjects"]]
    assert bound == [("a", "web"), ("a", "web-green"), ("b", "web"), ("b", "web-green")]
    assert files["service-account.yaml"]["metadata"]["name"] == "web"


def test_network_policy_allows_the_database_of_another_service(tmp_path: Path) -> None:
    declaration = pods.declare_pod(tmp_path / "declared", PEM)
    parcels, environment = declaration.service("parcels"), declaration.environment("staging")
    shared = SharedDatabase.model_validate(
        {"of": "orders", "roles": {"readonly": {"ttl": "1h", "max_ttl": "24h"}}}
    )
    users = {"parcels": parcels.model_copy(update={"database": shared}), "orders": parcels}
    owner = Deployment.model_validate({"database": "db.example.com:5433"})
    environment = environment.model_copy(
        update={"services": {**environment.services, "orders": owner}}
    )
    declaration = replace(
        declaration, services=users, environments={pods.SCOPE.environment: environment}
    )
    files = build(target_settings(declaration, pods.SCOPE), Host(command=COMMAND))
    policy = documents(files)["network-policy.yaml"]["spec"]
    assert {"ports": [{"protocol": "TCP", "port": 5433}]} in policy["egress"]


def test_network_policy_allows_dns_the_server_the_database_and_redis(tmp_path: Path) -> None:
    declaration = pods.declare_pod(tmp_path / "declared", PEM, address="https://10.1.2.3")
    settings = target_settings(declaration, pods.SCOPE)
    redis = RedisServer.model_validate({"address": "10.1.2.4:6379", "ca": "redis-ca.pem"})
    settings = replace(
        settings,
        deployment=settings.deployment.model_copy(update={"redis": redis}),
        database=Endpoint("db.example.com", 5432),
    )
    files = build(settings, Host(command=COMMAND))
    policy = documents(files)["network-policy.yaml"]["spec"]
    assert policy["podSelector"]["matchLabels"] == {"strongroom/service": "parcels"}
    assert policy["policyTypes"] == ["Egress"]
    dns, server, database_rule, redis_rule = policy["egress"]
    assert {(port["protocol"], port["port"]) for port in dns["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert server == {
        "ports": [{"protocol": "TCP", "port": 443}],
        "to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}],
    }
    assert database_rule == {"ports": [{"protocol": "TCP", "port": 5432}]}
    assert redis_rule == {
        "ports": [{"protocol": "TCP", "port": 6379}],
        "to": [{"ipBlock": {"cidr": "10.1.2.4/32"}}],
    }


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({}, {"auth-type": "kubernetes", "auth-path": "auth/kubernetes"}),
        (
            OF_JWT,
            {
                "auth-type": "jwt",
                "auth-config-path": "/var/run/secrets/vault.hashicorp.com/serviceaccount/token",
                "auth-config-remove-jwt-after-reading": "false",
            },
        ),
    ],
)
def test_injector_renders_the_same_file_for_the_same_command(
    tmp_path: Path, patch: dict[str, Any], expected: dict[str, str]
) -> None:
    files = built(tmp_path, Host(command=COMMAND, cacert=CA), **patch)
    deployment = deployed(files, "injector.yaml")
    prefix = "vault.hashicorp.com/"
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert all(isinstance(value, str) for value in annotations.values())
    found = {name.removeprefix(prefix): value for name, value in annotations.items()}
    assert expected.items() <= found.items()
    assert found["agent-inject-template-config"] == files["templates/app.json.ctmpl"]
    application = containers(deployment)["parcels"]
    staged = f"{found['secret-volume-path']}/{found['agent-inject-file-config']}"
    assert staged in application["command"]
    assert found["agent-run-as-user"] == str(application["securityContext"]["runAsUser"])
    with_agent = containers(deployed(files))["parcels"]
    for key in ("command", "args", "env", "startupProbe"):
        assert application[key] == with_agent[key]
    # The injector mounts its own folder of rendered files, so that ours would be a second one.
    assert found["secret-volume-path"] not in {
        mount["mountPath"] for mount in application["volumeMounts"]
    }


@pytest.mark.parametrize(
    ("declared", "host", "error"),
    [
        (
            {"agent": {"render_interval": "5s"}, "login": {"approle": {}}},
            {},
            f"staging.yaml: agent.login is approle.*token_file: {pods.TOKEN_FILE}.* of parcels",
        ),
        (
            {
                "agent": {"render_interval": "5s", "login": "cert", **CERT},
                "login": {"cert": {"names": ["parcels"]}},
            },
            {},
            "environments/staging.yaml: agent.login is cert",
        ),
        (
            {"agent": {**pods.AGENT, "token_file": "/etc/token"}},
            {},
            f"staging.yaml: agent.token_file is /etc/token.*declare {pods.TOKEN_FILE}",
        ),
        (
            {"agent": {**pods.AGENT, "token_file": "/var/run/secrets/token"}},
            {},
            "agent.token_file is /var/run/secrets/token",
        ),
        (
            {"agent": {**pods.AGENT, "token_file": "/var/run/secrets/a/../../../etc/token"}},
            {},
            "agent.token_file is /var/run/secrets/a/../../../etc/token",
        ),
        (
            {**OF_JWT, "login": {"jwt": {**JWT, "subject": "shop"}}},
            {},
            r"services\.parcels\.login\.jwt\.subject is no service account's",
        ),
        ({}, {"command": ("a\udc80",)}, "is not Unicode"),
        (
            {},
            {"cacert": Path("/etc/strongroom/ca.pem")},
            "/etc/strongroom/ca.pem is in a folder of the agent",
        ),
    ],
)
def test_what_a_pod_cannot_do_is_rejected(
    tmp_path: Path, declared: dict[str, Any], host: dict[str, Any], error: str
) -> None:
    with pytest.raises(ConfigurationError, match=error):
        built(tmp_path, Host(**{"command": COMMAND, **host}), **declared)


@pytest.mark.parametrize("file", ["deployment.yaml", "injector.yaml"])
def test_access_records_are_encrypted_in_a_volume_of_the_cluster(tmp_path: Path, file: str) -> None:
    key = {"audit": {"allow": ["encrypt"]}}
    spec = documents(built(tmp_path, keys=key))[file]["spec"]["template"]["spec"]
    (application,) = spec["containers"]
    variables = {each["name"]: each["value"] for each in application["env"]}
    assert "STRONGROOM_AUDIT_KEY" in variables
    mounts = {each["mountPath"]: each["name"] for each in application["volumeMounts"]}
    volume = mounts[str(Path(variables["STRONGROOM_AUDIT_FILE"]).parent)]
    claims = {each["name"]: each.get("persistentVolumeClaim") for each in spec["volumes"]}
    assert claims[volume] == {"claimName": "strongroom-parcels-records"}


@pytest.mark.parametrize("allow", [["decrypt"], ["encrypt", "decrypt"]])
def test_access_records_of_a_service_that_may_decrypt_are_not_encrypted(
    tmp_path: Path, allow: list[str]
) -> None:
    files = built(tmp_path, keys={"audit": {"allow": allow}})
    assert all("AUDIT" not in text for text in files.values())
