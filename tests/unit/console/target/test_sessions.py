"""Sessions of operators without the credential that they need."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app_integration._internal.server_urls import read_addresses
from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.secret import Secret
from console.scaffold.new_repository import NewRepository
from console.target.sessions import (
    open_explained_session,
    open_job_session,
    open_operator_session,
    open_session_at,
    open_vault_session,
)
from console.target.target import Target, open_target
from local.layout import Layout
from vault.declare.load import load
from vault.declare.server_names import APPLY_JOB, JOBS, PLAN_JOB


@pytest.mark.parametrize("role", [APPLY_JOB, PLAN_JOB])
def test_operator_without_a_deployment_is_told_to_start_one(tmp_path: Path, role: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"no deployment in .*; start one with: strongroom up"
    ):
        open_operator_session(open_target(root=tmp_path), role)


@pytest.mark.parametrize(
    ("role", "remedy"),
    [
        (APPLY_JOB, "see docs/runbook/Losses.md"),
        (PLAN_JOB, "strongroom up issues"),
    ],
)
def test_lost_credential_is_named_with_its_remedy(tmp_path: Path, role: str, remedy: str) -> None:
    Layout(tmp_path).format.write_text("1")
    with pytest.raises(
        ConfigurationError, match=f"{tmp_path} has lost the credential of {role}; {remedy}"
    ):
        open_operator_session(open_target(root=tmp_path), role)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    "open_session",
    [open_operator_session, open_job_session, open_vault_session, open_explained_session],
)
def test_missing_credential_has_the_name_of_the_deployments_own_job(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    open_session: Callable[[Target, str], Any],
    job: str,
) -> None:
    addresses = {Environment("prod"): "https://vault.example.com:8200"}
    NewRepository("harbor", "ada@example.com", addresses).write(tmp_path / "harbor")
    monkeypatch.chdir(tmp_path / "harbor")
    own = job.replace("strongroom", "harbor")
    with (
        pytest.raises(ConfigurationError, match=f"no credential of {own} is configured"),
        open_session(open_target("prod", tmp_path / "none"), job),
    ):
        pass


@pytest.mark.parametrize(
    ("variables", "given", "expected"),
    [
        ({}, False, ("https://a", "https://b")),
        ({"VAULT_ADDR": "https://c"}, True, ("https://c",)),
        ({"STRONGROOM_VAULT_ADDRS": "https://c,https://d"}, True, ("https://c", "https://d")),
        ({"STRONGROOM_VAULT_ADDRS": "https://c,https://d"}, False, ("https://a", "https://b")),
    ],
    ids=["declared", "one", "several", "several of a shell that do not count"],
)
def test_addresses_of_a_shell_replace_the_declared_ones_and_are_never_added(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    given: bool,
    expected: tuple[str, ...],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    declared = load().environment(Environment("staging"))
    server = declared.vault.model_copy(
        update={"address": "https://a", "extra_addresses": ("https://b",)}
    )
    declared = declared.model_copy(update={"vault": server})
    addresses = read_addresses(os.environ, declared.environment) if given else ()
    with open_session_at(declared, addresses, StaticToken(Secret("t"))) as session:
        assert session._addresses == expected
