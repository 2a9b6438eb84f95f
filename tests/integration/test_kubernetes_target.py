"""The built pod on this machine: its agent and its application, on a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import yaml

from app_integration.secret import Secret
from app_integration.testing.ports import free_ports
from local.processes import binaries
from tests.support.manifests import merge
from tests.support.models import pods
from tests.support.models.declared import apply_declared
from tests.support.polling import wait_until
from tests.support.processes.watched_application import WatchedApplication
from tests.support.servers.audited_server import AuditedServer, audited_server
from tests.support.servers.issuer import Provider, Signer
from tests.support.servers.local_server import serve, write_certificate
from vault.reconcile.resources.kv import write_value

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[2]
CA: Final = "/etc/strongroom-ca/ca.pem"
LIVE: Final = "/run/strongroom/live/config/app.json"
PATIENCE: Final = 20.0  # seconds


@dataclass
class Pod:
    """A pod whose volumes are folders in *root*."""

    root: Path
    built: Path
    sources: dict[str, dict[str, str]]

    @property
    def spec(self) -> dict[str, Any]:
        patch = yaml.safe_load((self.built / "deployment.yaml").read_text())
        merged: dict[str, Any] = merge(pods.DEPLOYMENT, patch)
        found: dict[str, Any] = merged["spec"]["template"]["spec"]
        return found

    def container(self, name: str) -> dict[str, Any]:
        spec = self.spec
        named = {each["name"]: each for each in (*spec["initContainers"], *spec["containers"])}
        found: dict[str, Any] = named[name]
        return found

    def map_paths(self, text: str) -> str:
        """Return *text* with the paths of mounts below :attr:`root`."""
        mounts = r"(?<![\w/])/(etc/strongroom|run/strongroom|var/run/secrets)"
        return re.sub(mounts, rf"{self.root}/\1", text)

    def mount(self) -> None:
        """Create the volumes of the agent, those in memory with the mode that Kubernetes gives."""
        volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        for mount in self.container("strongroom-agent")["volumeMounts"]:
            place = Path(self.map_paths(mount["mountPath"]))
            volume = volumes[mount["name"]]
            if "emptyDir" in volume:
                place.mkdir(parents=True)
                place.chmod(0o777)
            for name, text in self.files(volume).items():
                path = place if "subPath" in mount else place / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self.map_paths(text))
        live = Path(self.map_paths(LIVE)).parents[1]
        live.mkdir(parents=True)
        live.chmod(0o777)

    def files(self, volume: dict[str, Any]) -> dict[str, str]:
        """Return the files of a volume: those of the generated config map, or given ones."""
        if volume["name"] != "strongroom-agent":
            return self.sources.get(volume["name"], {})
        generated = yaml.safe_load((self.built / "kustomization.yaml").read_text())
        (config_map,) = generated["configMapGenerator"]
        assert config_map["name"] == volume["configMap"]["name"]
        data = {Path(name).name: (self.built / name).read_text() for name in config_map["files"]}
        return {item["path"]: data[item["key"]] for item in volume["configMap"]["items"]}

    def command(self, name: str) -> list[str]:
        """Return the command of a container as it is run there."""
        container = self.container(name)
        words = [*container["command"], *container.get("args", [])]
        return [self.map_paths(word.replace("$$", "$")) for word in words]

    def variables(self, name: str) -> dict[str, str]:
        """Return the variables of a container."""
        container = self.container(name)
        return {each["name"]: self.map_paths(each["value"]) for each in container["env"]}

    @contextmanager
    def running_agent(self) -> Iterator[None]:
        """Run the agent with no other variables than those of its container."""
        program, *words = self.command("strongroom-agent")
        assert program == "bao"
        with (self.root / "agent.log").open("wb") as log:
            command = [str(binaries.openbao_path()), *words]
            process = subprocess.Popen(
                command, cwd="/", env=self.variables("strongroom-agent"), stdout=log, stderr=log
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


def build(folder: Path, application: WatchedApplication) -> Path:
    """Run ``strongroom agent build`` in the repository *folder*, and return the built folder."""
    (folder / "strongroom.yaml").write_text(
        "format: 1\ndeclaration: declare\ntemplates: declare/templates\n"
    )
    out, program = folder / "out", str(application.folder / "application.py")
    options = ["--folder", str(application.folder), "--cacert", CA, "--out", str(out)]
    subprocess.run(
        [
            *(sys.executable, "-m", "console", "agent", "build", "--service", "parcels"),
            *("--env", "staging", "--for", "kubernetes", *options),
            *("--", sys.executable, program, LIVE, str(application.port)),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return out


@dataclass
class Cluster:
    """A cluster that knows one pod, and the server that the pod logs in to."""

    api: Provider
    server: AuditedServer
    token: str
    ca: str


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    pem = write_certificate(tmp_path / "cluster.pem")
    ca = "-----BEGIN CERT" + pem.read_text().split("-----BEGIN CERT")[1]
    claims: dict[str, Any] = {
        "kubernetes.io": {
            "namespace": "shops",
            "serviceaccount": {"name": "parcels-web", "uid": "u-1"},
        }
    }
    token = Signer("cluster").token(aud=["cluster"], **claims)
    with serve(Provider(), pem) as api, audited_server(tmp_path, tls=True) as server:
        assert isinstance(api, Provider)
        api.accounts[token] = "shops:parcels-web"
        yield Cluster(api, server, token, ca)


@pytest.fixture
def application(tmp_path: Path) -> Iterator[WatchedApplication]:
    folder = tmp_path / "app"
    folder.mkdir()
    found = WatchedApplication(folder, *free_ports(1))
    yield found
    found.end()


def deploy(folder: Path, cluster: Cluster, application: WatchedApplication) -> Pod:
    """Declare, apply and build the service; return its pod, with its volumes."""
    health = f"http://127.0.0.1:{application.port}/health"
    declaration = pods.declare_pod(
        folder / "repository/declare",
        cluster.ca,
        config={"python": sys.executable, "health": health},
        address=cluster.server.address,
        host=cluster.api.address,
    )
    apply_declared(cluster.server.root, declaration, environment=pods.SCOPE.environment)
    built = build(folder / "repository", application)
    assert cluster.server.cacert is not None
    ca = cluster.server.cacert.read_text()
    sources = {"strongroom-token": {"token": cluster.token}, "strongroom-ca": {"ca.pem": ca}}
    pod = Pod(folder / "pod", built, sources)
    pod.mount()
    return pod


def test_built_pod_delivers_a_secret_and_its_change(
    tmp_path: Path, cluster: Cluster, application: WatchedApplication
) -> None:
    pod, secret = deploy(tmp_path, cluster, application), pods.SCOPE.secret("token")
    variables = [f"{name}={value}" for name, value in pod.variables("parcels").items()]
    first = cluster.server.root.get(f"secret/data/{secret}")["data"]["data"]["value"]
    with pod.running_agent():
        application.run(["env", *variables, *pod.command("parcels")])
        application.wait_for(first)
        write_value(cluster.server.root, secret, Secret("n" * 48))
        application.wait_for("n" * 48)
        wait_until(lambda: application.count("confirmed") == 2, "a second confirmed file", PATIENCE)
    assert cluster.api.reviewers[-1] == f"Bearer {cluster.token}"
    staged = Path(pod.map_paths("/run/strongroom/staging/app.json"))
    live = Path(pod.map_paths(LIVE))
    modes = [path.stat().st_mode & 0o7777 for path in (staged, live.parent, live)]
    assert modes == [0o600, 0o700, 0o600]
    probe = pod.container("parcels")["startupProbe"]["httpGet"]
    page = f"{probe['scheme'].lower()}://127.0.0.1:{probe['port']}{probe['path']}"
    assert requests.get(page, timeout=PATIENCE).ok
