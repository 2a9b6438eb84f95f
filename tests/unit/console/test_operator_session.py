"""Sessions of operators without the credential that they need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console.new_repository import NewRepository
from console.operator_session import open_job_session, open_operator_session, open_vault_session
from console.plan_session import open_plan_session
from vault.declare.server_names import APPLY_JOB, JOBS, PLAN_JOB
from vault.runtime.layout import Layout


@pytest.mark.parametrize("role", [APPLY_JOB, PLAN_JOB])
def test_operator_without_a_deployment_is_told_to_start_one(tmp_path: Path, role: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no deployment in .*; start one with: make"):
        open_operator_session("dev", tmp_path, role)


@pytest.mark.parametrize(
    ("role", "remedy"),
    [(APPLY_JOB, "docs/Runbook.md says how to replace it"), (PLAN_JOB, "make vault-up issues")],
)
def test_lost_credential_is_named_with_its_remedy(tmp_path: Path, role: str, remedy: str) -> None:
    Layout(tmp_path).format.write_text("1")
    with pytest.raises(
        ConfigurationError, match=f"{tmp_path} has lost the credential of {role}; {remedy}"
    ):
        open_operator_session("dev", tmp_path, role)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    "open_session", [open_operator_session, open_job_session, open_vault_session, open_plan_session]
)
def test_missing_credential_has_the_name_of_the_deployments_own_job(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    open_session: Callable[[str, Path, str], Any],
    job: str,
) -> None:
    addresses = {Environment("prod"): "https://vault.example.com:8200"}
    NewRepository("harbor", "ada@example.com", addresses).write(tmp_path / "harbor")
    monkeypatch.chdir(tmp_path / "harbor")
    own = job.replace("strongroom", "harbor")
    with (
        pytest.raises(ConfigurationError, match=f"no credential of {own} is configured"),
        open_session("prod", tmp_path / "none", job),
    ):
        pass
