"""The job on kind, which cannot run here, is consistent with what it uses; so is its page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from agent.targets.host import Host
from agent.targets.kubernetes import IMAGE, build
from agent.targets.settings import target_settings
from app_integration.names import Environment, Scope
from tests.support.manifests import find_errors, merge
from tests.support.models import pods
from tests.support.servers.issuer import Authority
from vault.declare.load import load

ROOT: Final = Path(__file__).parents[3]
WORKFLOWS: Final = ROOT / ".github" / "workflows"
KIND: Final = ROOT / "tests" / "kind"
PAGE: Final = ROOT / "docs" / "howto" / "Kubernetes.md"
SCOPE: Final = Scope("parcels", Environment("staging"))


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    # BaseLoader, because `on` is a boolean to YAML 1.1.
    text = (WORKFLOWS / "kubernetes.yml").read_text()
    found: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (it is ours)
    return found


@pytest.fixture
def deployed(tmp_path: Path) -> dict[str, Any]:
    """Return the job's Deployment with the patch of its component."""
    shutil.copytree(KIND / "declare", tmp_path / "declare")
    (tmp_path / "declare/environments/cluster.pem").write_text(Authority().pem)
    declaration = load(tmp_path / "declare", tmp_path / "declare/templates")
    host = Host(command=("app",), cacert=Path("/etc/strongroom-ca/ca.pem"))
    files = build(target_settings(declaration, SCOPE), host)
    own = yaml.safe_load((KIND / "deploy/deployment.yaml").read_text())
    merged: dict[str, Any] = merge(own, yaml.safe_load(files["deployment.yaml"]))
    return merged


def test_workflow_has_few_rights_and_an_end(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {}
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read"}
    assert int(job["timeout-minutes"]) <= 60
    assert job["steps"][0]["with"]["persist-credentials"] == "false"


def test_workflow_runs_what_exists_at_a_change_of_what_exists(workflow: dict[str, Any]) -> None:
    assert workflow["on"].keys() == {"workflow_dispatch", "push"}
    assert workflow["on"]["push"]["branches"] == ["main"]
    for pattern in workflow["on"]["push"]["paths"]:
        assert (ROOT / pattern.removesuffix("/**")).exists(), pattern
    (job,) = workflow["jobs"].values()
    make, script = (step["run"] for step in job["steps"] if "run" in step)
    assert re.search(
        rf"^{make.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert (ROOT / script).stat().st_mode & 0o100


def test_actions_are_pinned_as_in_the_other_workflows() -> None:
    pins = re.compile(r"uses: (\S+@[0-9a-f]{40} # v[\d.]+)$", re.MULTILINE)
    text, other = ((WORKFLOWS / f"{name}.yml").read_text() for name in ("kubernetes", "vault"))
    found = pins.findall(text)
    assert len(found) == text.count("uses:") == 2
    assert set(found) <= set(pins.findall(other))


def test_script_is_valid_and_its_files_exist() -> None:
    script = KIND / "run"
    subprocess.run(["bash", "-n", str(script)], check=True)  # noqa: S607 (the developer's own)
    named = re.findall(r"\$(here|root)\"?(/[\w./-]+)", script.read_text())
    assert len(named) >= 5
    for folder, path in named:
        assert folder == "here" or path.startswith("/.venv") or (ROOT / path[1:]).exists(), path
        assert folder == "root" or (KIND / path[1:].removesuffix("/..")).exists(), path


def test_server_is_valid_and_has_the_image_of_the_agent() -> None:
    manifests = list(yaml.safe_load_all((KIND / "server.yaml").read_text()))
    for manifest in manifests:
        kubernetes_validate.validate(manifest, "1.36", strict=True)
    assert manifests[-1]["spec"]["containers"][0]["image"] == IMAGE


def test_deployment_of_the_job_is_valid_with_its_patch(deployed: dict[str, Any]) -> None:
    kubernetes_validate.validate(deployed, "1.36", strict=True)
    maps = {"strongroom-parcels-agent": {"agent.hcl", "app.json.ctmpl"}, "strongroom-ca": set()}
    assert find_errors(deployed, maps) == []
    application = deployed["spec"]["template"]["spec"]["containers"][0]
    ports = [port["containerPort"] for port in application["ports"]]
    assert ports == [application["startupProbe"]["httpGet"]["port"]]
    assert application["workingDir"] in (KIND / "Dockerfile").read_text()


def test_page_says_first_that_no_cluster_has_run_it() -> None:
    _, first, *_ = [line for line in PAGE.read_text().splitlines() if line]
    assert first.startswith("**Not yet run on a cluster.**")


def test_declaration_on_the_page_is_valid(tmp_path: Path) -> None:
    block = re.search(r"```yaml\n(auth:.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    declared = yaml.safe_load(block[1])
    login = declared["services"]["parcels"]["login"]
    declaration = pods.declare_pod(
        tmp_path,
        Authority().pem,
        agent=declared["agent"],
        login=login,
        host=declared["auth"]["kubernetes"]["host"],
    )
    files = build(
        target_settings(declaration, pods.SCOPE), Host(command=("python", "-m", "parcels"))
    )
    assert set(re.findall(r"^\| `([a-z-]+\.\w+)`", PAGE.read_text(), re.MULTILINE)) <= files.keys()
