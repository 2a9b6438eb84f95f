"""Command ``policies check``, on the services of this repository and the code of the examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support.processes.command import run_command

Check: TypeAlias = Callable[..., tuple[int, str]]
EXAMPLES = Path(__file__).parents[5] / "examples"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return a function that runs the command in dev: its exit code and what it prints."""

    def run(*arguments: str) -> tuple[int, str]:
        code = run_command(monkeypatch, "policies", "check", "--env", "dev", *arguments)
        return code, "".join(capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("service", "folder"), [("gaara-store", "gaara_store"), ("orders-mail", "orders_mail")]
)
def test_service_uses_all_that_it_may_do(check: Check, service: str, folder: str) -> None:
    code, output = check("--service", service, "--code", str(EXAMPLES / folder))

    assert (code, "unused rules: 0" in output) == (0, True), output


def test_rule_that_nothing_uses_exits_2(check: Check, tmp_path: Path) -> None:
    code, output = check("--service", "orders-mail", "--code", str(tmp_path))

    assert code == 2
    assert "nothing uses: " in output


def test_call_that_the_server_would_refuse_exits_2(check: Check, tmp_path: Path) -> None:
    call = 'from app_integration import get_secret\nget_secret("partner-key")\n'
    (tmp_path / "partner.py").write_text(call)

    code, output = check("--code", str(EXAMPLES / "gaara_store"), "--code", str(tmp_path), "--json")

    place = f"{tmp_path}/partner.py:2"
    assert (code, json.loads(output)["refused"]) == (
        2,
        [{"place": place, "kind": "secret", "name": "partner-key"}],
    )


def test_name_that_one_of_the_services_has_is_not_refused(check: Check) -> None:
    folders = [f"--code={EXAMPLES / each}" for each in ("gaara_store", "orders_mail")]
    code, output = check(*folders)

    assert (code, "403" in output) == (0, False), output
