"""Tests of policies in ``policies/<service>.tests.yaml``, as the server answers them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app_integration.errors import AccessDenied, ConfigurationError, UnexpectedAnswer
from console.target.checkout import Checkout
from policies.capabilities import read_capabilities
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment
from vault.declare import load
from vault.declare.policy_files import read_tests
from vault.declare.repository import read

pytestmark = pytest.mark.requires("embedded")

FOLDER = load.PROJECT / "vault" / "declare" / "policies"
ROWS = {service: len(rows) for service, rows in read_tests(FOLDER, load.load()).items()}


@pytest.fixture
def run(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[Path, list[str]]:
    """Return a copy of the folder of policies, which the command reads, and its arguments."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for path in FOLDER.glob("*.tests.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    here = replace(read(load.PROJECT), policies=folder)
    monkeypatch.setattr(Checkout, "repository", here)
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    root = str(deployment.layout.root)
    return folder, ["policies", "test", "--env", "dev", "--root", root]


def accessors(deployment: Deployment) -> set[str]:
    return set(deployment.operator.list("auth/token/accessors"))


def test_every_row_of_the_examples_holds_and_no_token_remains(
    deployment: Deployment,
    run: tuple[Path, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    policies = ["gaara-store-dev", "orders-mail-dev"]
    before = accessors(deployment)  # of the tests that share this deployment
    for command in (run[1], [*run[1], "--proposed"]):
        assert run_command(monkeypatch, *command) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"{name}: {ROWS[service]} of {ROWS[service]} rows hold"
            for name in policies
            if (service := name.removesuffix("-dev"))
        ]
    for accessor in accessors(deployment) - before:
        found = deployment.operator.post("auth/token/lookup-accessor", {"accessor": accessor})
        assert found["data"]["path"] != "auth/token/create", found["data"]["policies"]


@pytest.mark.parametrize("more", [(), ("--proposed",)], ids=["server", "proposed"])
@pytest.mark.parametrize(
    ("row", "mutated", "grants"),
    [
        ("jwt-secret, capability: read, expect: allow", "expect: deny", "read"),
        ("jwt-secret, capability: update, expect: deny", "expect: allow", "read"),
        ("{kv}, capability: update, expect: deny", "expect: allow", "deny"),
    ],
)
def test_mutated_row_fails_with_its_place(
    run: tuple[Path, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    row: str,
    mutated: str,
    grants: str,
    more: tuple[str, ...],
) -> None:
    file = run[0] / "gaara-store.tests.yaml"
    lines = file.read_text().splitlines()
    (index,) = [number for number, line in enumerate(lines) if row in line.replace('"', "")]
    lines[index] = lines[index].replace(row.rpartition(", ")[2], mutated)
    file.write_text("\n".join(lines))
    assert run_command(monkeypatch, *run[1], *more, "--service", "gaara-store") == 2
    failure, summary = capsys.readouterr().out.splitlines()
    assert failure.startswith(f"{load.display_path(file)}:{index + 1}: ")
    assert failure.endswith(f"{mutated.replace(':', 'ed')}, granted: {grants}")
    assert (
        summary == f"gaara-store-dev: {ROWS['gaara-store'] - 1} of {ROWS['gaara-store']} rows hold"
    )


def test_token_is_revoked_after_an_error(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    post = deployment.operator.post

    def fail(path: str, *arguments: object, **options: object) -> object:
        sent.append(path)
        if path == "sys/capabilities":
            raise AccessDenied("not allowed")
        return post(path, *arguments, **options)  # type: ignore[arg-type] # passed on as they are

    monkeypatch.setattr(deployment.operator, "post", fail)
    before = accessors(deployment)
    with pytest.raises(AccessDenied):
        read_capabilities(deployment.operator, "gaara-store-dev", ["sys/mounts"])
    assert sent[-1] == "auth/token/revoke-accessor"
    assert accessors(deployment) == before


def test_path_without_an_answer_does_not_pass_for_a_denied_one(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = deployment.operator.post

    def forget(path: str, *arguments: object, **options: object) -> object:
        answer = post(path, *arguments, **options)  # type: ignore[arg-type] # passed on as they are
        return {"data": {"sys/auth": ["deny"]}} if path == "sys/capabilities" else answer

    monkeypatch.setattr(deployment.operator, "post", forget)
    with pytest.raises(UnexpectedAnswer, match="lacks one of the paths"):
        read_capabilities(deployment.operator, "gaara-store-dev", ["sys/auth", "sys/mounts"])


def test_policy_that_does_not_exist_is_an_error(deployment: Deployment) -> None:
    with pytest.raises(ConfigurationError, match="the server has no policy shop-dev"):
        read_capabilities(deployment.operator, "shop-dev", ["sys/mounts"])


def test_more_paths_than_one_request_may_have_are_asked_in_several(deployment: Deployment) -> None:
    paths = [f"secret/data/gaara-store/dev/{number}" for number in range(1200)]
    paths.append("secret/data/gaara-store/dev/jwt-secret")
    found = read_capabilities(deployment.operator, "gaara-store-dev", paths)
    assert [path for path, granted in found.items() if granted != {"deny"}] == paths[-1:]
