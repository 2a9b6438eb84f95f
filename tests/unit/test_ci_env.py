"""Command ``ci-env``: what it refuses before any request, and what it prints for GitHub."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.ci_env import main, mask
from app_integration.secret import Secret

BASE = ("--service", "ci-deploy", "--env", "prod")


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set the variables of a job, whose server nothing reaches."""
    monkeypatch.setenv("VAULT_ADDR", "https://127.0.0.1:1")
    monkeypatch.delenv("STRONGROOM_DECLARATION", raising=False)
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("tok_1", ["::add-mask::tok_1"]),
        ("100%\n", ["::add-mask::100%25"]),
        ("first\r\n\n \nsecond line\n", ["::add-mask::first", "::add-mask::second line"]),
        ("", []),
    ],
)
def test_mask_has_a_line_for_each_line_of_a_value(value: str, lines: list[str]) -> None:
    assert list(mask([Secret(value)])) == lines


@pytest.mark.parametrize(
    "arguments",
    [BASE, (*BASE, "--"), ("--service", "ci-deploy", "--", "true"), (*BASE, "true")],
    ids=["no-command", "empty-command", "no-environment", "no-separator"],
)
def test_wrong_usage_exits_64(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 64


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "no secret is named: pass --name"),
        (("../sys",), "secret name '../sys'"),
        (("a-b", "a/b"), "two of a-b, a/b have the same variable"),
        (("token",), "this CI job has no token to log in with"),
    ],
)
def test_run_is_refused_before_any_request(
    names: tuple[str, ...], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    options = [word for name in names for word in ("--name", name)]
    assert main([*BASE, *options, "--", "echo", "started"]) == 1
    output, errors = capfd.readouterr()
    assert (output, words in errors) == ("", True)


def test_undeclared_name_is_refused_with_the_nearest_one(
    variables: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "names.txt"
    listed.write_text("deploy-token\n")
    variables.setenv("STRONGROOM_DECLARATION", str(listed))
    assert main([*BASE, "--name", "deploy-tokens", "--", "echo"]) == 1
    assert "did you mean 'deploy-token'?" in capfd.readouterr().err
