"""Command ``break-glass``: what its credential may do, and who is told that there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from app_integration.auth.methods import AppRole
from app_integration.errors import AccessDenied
from app_integration.session.session import Session
from console.target.target import Target
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment
from vault.bootstrap.break_glass import find_lack
from vault.declare.server_names import BREAK_GLASS

pytestmark = pytest.mark.requires("embedded")

ATTEMPT = "sys/generate-root-token/attempt"
DOCTOR = ("doctor", "--service", "gaara-store", "--env", "dev")


@pytest.fixture
def folder(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Yield the folder of a new credential, and erase its role and policy."""
    root = ("--root", str(deployment.layout.root))
    made = tmp_path / "safe"
    assert run_command(monkeypatch, "break-glass", "--env", "dev", "--out", str(made), *root) == 0
    yield made
    for path in (f"auth/approle/role/{BREAK_GLASS}", f"sys/policies/acl/{BREAK_GLASS}"):
        deployment.operator.delete(path)


@pytest.fixture
def session(deployment: Deployment, folder: Path) -> Iterator[Session]:
    login = AppRole(folder / "role-id", folder / "secret-id")
    with Session(f"http://127.0.0.1:{deployment.ports.vault}", login) as opened:
        yield opened


def test_credential_begins_a_root_token_and_does_nothing_else(
    deployment: Deployment, session: Session
) -> None:
    assert session.post(ATTEMPT)["data"]["started"]
    session.delete(ATTEMPT)
    for path in ("secret/data/gaara-store/dev/jwt-secret", "sys/policies/acl/root", "sys/auth"):
        with pytest.raises(AccessDenied):
            session.get(path)
    with pytest.raises(AccessDenied):
        session.post(f"auth/approle/role/{BREAK_GLASS}/secret-id")
    policy = {"policy": 'path "*" { capabilities = ["sudo"] }'}
    with pytest.raises(AccessDenied):
        session.post(f"sys/policies/acl/{BREAK_GLASS}", policy)
    assert deployment.operator.get(ATTEMPT)["data"]["started"] is False


def test_valid_credential_is_kept(
    deployment: Deployment,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = (folder / "secret-id").read_text()
    root = ("--root", str(deployment.layout.root))
    assert run_command(monkeypatch, "break-glass", "--env", "dev", "--out", str(folder), *root) == 0
    assert (folder / "secret-id").read_text() == before
    assert "is valid; nothing was issued" in capsys.readouterr().out
    assert (folder / "secret-id").stat().st_mode & 0o777 == 0o600


def show_doctor(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *, is_local: bool) -> int:
    """Run doctor, elsewhere than on the local deployment with the session of an operator."""
    if not is_local:
        monkeypatch.setattr(Target, "is_local", False)
        operator = nullcontext(deployment.operator)
        monkeypatch.setattr(
            "console.commands.every_day.doctor.open_job_session", lambda *_: operator
        )
    return run_command(monkeypatch, *DOCTOR, "--root", str(deployment.layout.root))


def test_who_has_no_credential_and_no_switch_is_told_but_on_the_local_deployment(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_doctor(deployment, monkeypatch, is_local=True) == 0
    assert "break-glass" not in capsys.readouterr().err
    show_doctor(deployment, monkeypatch, is_local=False)
    assert "strongroom break-glass --env dev --out FOLDER" in capsys.readouterr().err


def test_who_has_a_credential_is_not_told(
    deployment: Deployment,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert folder.is_dir()
    show_doctor(deployment, monkeypatch, is_local=False)
    assert "break-glass" not in capsys.readouterr().err


def test_only_a_reader_of_roles_knows_and_a_scoped_role_needs_none(
    deployment: Deployment, session: Session
) -> None:
    declared = deployment.local.declaration.environment("dev")
    other = declared.model_copy(update={"deployment": "other"})
    assert "If that of other-apply is lost" in (find_lack(deployment.operator, other) or "")
    assert find_lack(session, other) is None
    scoped = declared.vault.model_copy(update={"apply_role": "scoped"})
    assert find_lack(deployment.operator, other.model_copy(update={"vault": scoped})) is None
