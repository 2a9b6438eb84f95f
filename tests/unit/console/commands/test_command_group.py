"""Conversion of options and arguments, which is that of typer."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.core import TyperCommand

from app_integration.names import Environment
from console.command_table import COMMANDS
from console.commands.command_group import Commands, Conversion

#: Commands with texts, paths, folders that must exist, numbers, choices and flags.
NAMES = ("up", "status", "plan", "put", "schema", "sdk-wheel", "issue-secret-id", "ledger")


def outcome(convert: Any, value: Any, place: dict[str, Any]) -> Any:
    """Return the converted value, or the message of its rejection."""
    try:
        return convert(value, **place)
    except typer.BadParameter as error:
        return str(error)


@pytest.mark.parametrize("name", NAMES)
def test_option_has_the_value_that_typer_makes_of_it(name: str) -> None:
    command: TyperCommand = Commands(COMMANDS)[name]
    context = command.context_class(command, info_name=name)
    single = [each for each in command.params if each.nargs == 1 and not each.multiple]
    assert single or name == "up"
    for each in single:
        place = {"param": each, "ctx": context}
        of_typer = each.get_runtime_param  # type: ignore[attr-defined] # of a private base class
        for value in (None, "", ".", "a/../b", "-", "7", Environment.DEV, each.default):
            mine = outcome(Conversion(each, of_typer).coerce, value, place)
            theirs = outcome(of_typer().coerce, value, place)
            assert (type(mine), mine) == (type(theirs), theirs), (each.name, value)


def test_path_that_cannot_be_read_is_left_to_typer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.access", lambda _path, mode: mode == 0)
    command: TyperCommand = Commands(COMMANDS)["down"]
    context = command.context_class(command, info_name="down")
    (root,) = command.params
    convert = Conversion(root, root.get_runtime_param).coerce  # type: ignore[attr-defined] # as above
    with pytest.raises(typer.BadParameter, match="is not readable"):
        convert("/", param=root, ctx=context)
