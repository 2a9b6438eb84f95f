"""Command ``rollout watch``: its options, and a Prometheus that does not respond."""

from __future__ import annotations

import pytest

from tests.support.processes.command import run_command

OPTIONS = ["--service", "gaara-store", "--env", "prod", "--for", "1s", "--interval", "1s"]
NOWHERE = ["--prometheus", "http://127.0.0.1:1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--new", "green", "--old", "green", *NOWHERE], "are both 'green'; name two colours"),
        (["--new", 'a"', "--old", "green", *NOWHERE], "expected letters, digits and '-'"),
        (["--new", "a", "--old", "b", "--prometheus", "host"], "expected http(s)://host:port"),
        (["--new", "a", "--old", "b"], "Missing option '--prometheus'"),
    ],
)
def test_wrong_option_is_a_usage_error(
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(monkeypatch, "rollout", "watch", *OPTIONS, *words) == 64
    assert message in capsys.readouterr().err


def test_server_that_does_not_respond_until_the_end_does_not_let_the_rollout_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rollout", "watch", *OPTIONS, "--new", "green", "--old", "blue", *NOWHERE]
    assert run_command(monkeypatch, *words) == 2
    *_, last = capsys.readouterr().out.splitlines()
    assert last == (
        "green does not go on: metrics: http://127.0.0.1:1 cannot be queried: ConnectionError; "
        "check that Prometheus runs there (not known yet)"
    )
