"""Commands ``policies why`` and ``policies who``, without a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from app_integration.names import Environment
from policies.holders import find_holders
from tests.support.processes.command import run_command
from vault.declare.repository import read

Ask: TypeAlias = Callable[..., tuple[int, str]]

ROOT = Path(__file__).parents[5]
SECRET = "secret/data/gaara-store/dev/jwt-secret"


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return a function that runs ``policies`` in dev: its exit code and all that it prints."""

    def run(*arguments: str) -> tuple[int, str]:
        code = run_command(monkeypatch, "policies", *arguments, "--env", "dev")
        return code, "".join(capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("operation", "role", "code", "answer"),
    [
        ("read", "gaara-store-dev", 0, "approle gaara-store-dev may read"),
        ("update", "gaara-store-dev", 2, "approle gaara-store-dev may not update"),
        ("read", "orders-mail-dev", 2, "approle orders-mail-dev may not read"),
        ("read", "developer", 0, "userpass developer may read"),
    ],
)
def test_why_answers_by_the_exit_code(
    ask: Ask, operation: str, role: str, code: int, answer: str
) -> None:
    found, output = ask("why", SECRET, operation, "--role", role)

    assert (found, output.startswith(answer)) == (code, True), output


def test_why_names_the_role_that_was_meant(ask: Ask) -> None:
    code, output = ask("why", SECRET, "read", "--role", "gaara-stor-dev")

    assert code == 1
    assert "no role 'gaara-stor-dev'" in output
    assert "did you mean 'gaara-store-dev'?" in output


def test_who_lists_each_that_has_rights_with_the_rule(ask: Ask) -> None:
    _, output = ask("who", SECRET)

    found = {line.split("  ")[0] for line in output.splitlines()[1:]}
    assert {"approle gaara-store-dev", "userpass developer"} <= found
    assert "approle orders-mail-dev" not in found


def test_who_of_an_undeclared_path_is_the_job_that_applies(ask: Ask) -> None:
    _, output = ask("who", "kv/elsewhere")

    assert [line.split("  ")[0] for line in output.splitlines()[1:]] == ["approle strongroom-apply"]


def test_holders_have_only_policies_that_are_declared() -> None:
    holders = find_holders(read(ROOT).load(), Environment.DEV)

    assert {"approle gaara-store-dev", "approle strongroom-plan"} <= set(map(str, holders))
    assert all(holder.policies for holder in holders)
