"""Sessions of operators on a local deployment without the credential that they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from console.operator_session import open_operator_session
from vault.reconcile.credentials import APPLY_ROLE, PLAN_ROLE
from vault.runtime.layout import Layout


@pytest.mark.parametrize("role", [APPLY_ROLE, PLAN_ROLE])
def test_operator_without_a_deployment_is_told_to_start_one(tmp_path: Path, role: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no deployment in .*; start one with: make"):
        open_operator_session("dev", tmp_path, role)


@pytest.mark.parametrize(
    ("role", "remedy"),
    [(APPLY_ROLE, "docs/Runbook.md says how to replace it"), (PLAN_ROLE, "make vault-up issues")],
)
def test_lost_credential_is_named_with_its_remedy(tmp_path: Path, role: str, remedy: str) -> None:
    Layout(tmp_path).format.write_text("1")
    with pytest.raises(
        ConfigurationError, match=f"{tmp_path} has lost the credential of {role}; {remedy}"
    ):
        open_operator_session("dev", tmp_path, role)
