"""Commands ``rewrap-keys`` and ``migrate-keys``: what they refuse before any request."""

from __future__ import annotations

import io

import pytest

from app_integration import __main__ as host
from tests.support.processes.command import CommandLine

ARGUMENTS = ("rewrap-keys", "--service", "shop", "--env", "prod", "--key", "pii")


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://127.0.0.1:9")
    monkeypatch.setenv("STRONGROOM_AUTH", "proxy")
    monkeypatch.delenv("STRONGROOM_KEY_VERSION", raising=False)


def test_command_without_a_table_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        host.main(ARGUMENTS)
    assert caught.value.code == 64
    assert "pass --data-keys, --index-keys or both" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--from", "vault", "--to", "aws"), "pass --data-keys, --index-keys or both"),
        (("--from", "aws", "--to", "aws", "--data-keys", "keys"), "--from and --to name aws both"),
        (("--from", "vault", "--to", "gcp", "--data-keys", "keys"), "invalid choice: 'gcp'"),
        (("--to", "aws", "--data-keys", "keys"), "--from"),
    ],
)
def test_move_between_no_two_backends_is_wrong_usage(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        host.main(("migrate-keys", *ARGUMENTS[1:], *options))
    assert caught.value.code == 64
    assert message in capsys.readouterr().err


def test_move_without_the_keys_of_aws_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STRONGROOM_KMS_KEYS", raising=False)
    move = ("--from", "vault", "--to", "aws", "--data-keys", "keys")
    assert host.main(("migrate-keys", *ARGUMENTS[1:], *move)) == 1
    assert "the backend aws, which is not configured; set STRONGROOM_KMS" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["0", "-1", "two", "²"])
def test_version_that_is_no_number_is_refused(
    version: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (*ARGUMENTS, "--data-keys", "data_keys", "--count")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{version}\n"))
    assert host.main((*arguments, "--below", "-")) == 1
    assert host.main((*arguments, f"--below={version}")) == 1
    monkeypatch.setenv("STRONGROOM_KEY_VERSION", version)
    assert host.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.count("the version of --below is not a whole number from 1") == 3


@pytest.mark.parametrize(
    ("key", "hint"),
    [("pi", "; did you mean 'pii'?"), ("mail", " (expected audit, index or pii)")],
)
@pytest.mark.parametrize(
    "command", [("rewrap-keys",), ("migrate-keys", "--from", "vault", "--to", "aws")]
)
def test_undeclared_key_is_refused_and_not_counted(
    command: tuple[str, ...],
    key: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--service", "gaara-store", "--env", "prod", "--data-keys", "data_keys", "--count")
    CommandLine(monkeypatch, capsys).assert_rejected(
        1, f"gaara-store has no key {key!r}{hint}; declare", *command, *options, "--key", key
    )
