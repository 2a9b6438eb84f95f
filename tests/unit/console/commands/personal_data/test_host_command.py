"""Commands that the host has, too: both have the same options."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from console.command_table import ALIASES, COMMANDS
from console.commands.command_group import Commands
from tests.support.models.file_parts import IDENTITY, RECIPIENT
from tests.support.processes.command import run_command

#: Command → its options here alone. The host has no local deployment.
_OWN = {"--root", "--help"}
#: Options of the host whose help names its variables, or has no place for the type of a value.
_OTHER_HELP = {
    "--service",
    "--env",
    "--context",
    "--data-keys",
    "--index-keys",
    "--below",
    "--from",
}


def host_options(name: str) -> dict[str, Any]:
    module: Any = import_module(f"app_integration.host_commands.{name.replace('-', '_')}")
    found = {}
    for action in module._parser()._actions:
        flag, *_ = action.option_strings[-1:] or [action.dest]
        found[flag] = action.help.removesuffix(f"; {action.default} by default")
    return found


@pytest.mark.parametrize(
    "name",
    ["encrypt-file", "decrypt-file", "inspect-file", "rewrap-file", "rewrap-keys", "migrate-keys"],
)
def test_command_has_the_options_of_the_host(name: str) -> None:
    group, word = ALIASES[name].split()
    command = Commands(COMMANDS)[group].commands[word]
    here = {each.opts[-1]: each.help for each in command.params}
    there = host_options(name)
    assert here.keys() - _OWN == there.keys() - _OWN
    texts = {flag: here[flag] for flag in here.keys() - _OWN - _OTHER_HELP}
    assert texts == {flag: there[flag].removeprefix("with --recipient: ") for flag in texts}


def test_file_is_encrypted_and_opened_where_there_is_no_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRONGROOM_DECLARATION", raising=False)
    Path("plain").write_text("parcel 7", encoding="utf-8")
    Path("identity").write_text(f"{IDENTITY}\n", encoding="utf-8")
    Path("identity").chmod(0o600)
    where = ("--service", "parcels", "--env", "prod")
    options = ("--no-key", "--recipient", RECIPIENT)
    assert run_command(monkeypatch, "file", "encrypt", "plain", "hidden", *where, *options) == 0
    opened = ("file", "decrypt", "hidden", "opened", *where, "--identity", "identity")
    assert run_command(monkeypatch, *opened) == 0
    assert Path("opened").read_text(encoding="utf-8") == "parcel 7"
