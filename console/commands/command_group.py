"""Group of commands whose modules are imported when one of them runs.

All modules together take longer to import than most commands need for their work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from console.command_table import ALIASES, COMMANDS, PANELS, Place

_PANEL_OF: Final = {name: title for title, panel in PANELS.items() for name in panel}


class Commands(Mapping[str, Any]):
    """Commands by name, each built when it is looked up for the first time."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        """Create the commands of *places*, by name."""
        self._places = places
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, self._places[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Command(TyperCommand):
    """Command that converts texts and paths itself, because typer would load pydantic for them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options and arguments."""
        for each in self.get_params(ctx):
            if hasattr(each, "get_runtime_param") and each.nargs == 1 and not each.multiple:
                each.get_runtime_param = partial(Conversion, each, each.get_runtime_param)
        return super().parse_args(ctx, args)


@dataclass(frozen=True, slots=True)
class Conversion:
    """Conversion of the one value of *parameter*, with the result of the one of typer."""

    parameter: Any
    of_typer: Callable[[], Any]

    def coerce(self, value: Any, **place: Any) -> Any:
        """Return *value* as what the command takes."""
        if value is None:
            return None
        kind = self._plain_kind()
        is_unreadable = kind is Path and os.access(value, os.F_OK) and not os.access(value, os.R_OK)
        if kind is None or is_unreadable:
            return self.of_typer().coerce(value, **place)
        return kind(value)

    def _plain_kind(self) -> type[str | Path] | None:
        """Return the type of a text, or of a path that may be anything; otherwise None."""
        found = self.parameter.type_descriptor
        info = found.parameter_info
        is_free = info.file_okay and info.dir_okay and not (info.writable or info.resolve_path)
        is_plain = is_free and not (info.exists or info.path_type or info.parser)
        return found.annotation if is_plain and found.annotation in (str, Path) else None


class Group(TyperGroup):
    """Group that parses its own options only if the command line has one.

    Otherwise typer would load pydantic for their values.
    """

    _has_options = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options that are before the name of a command, and that name."""
        self._has_options = not args or args[0].startswith("-")
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options of the group, or none if the command line has none of them."""
        return super().get_params(ctx) if self._has_options else []


class CommandGroup(Group):
    """The group of *places*: by default of :data:`COMMANDS`, with :data:`ALIASES`."""

    def __init__(self, places: Mapping[str, Place] | None = None, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": Commands(places or COMMANDS)})
        self._places = places or COMMANDS
        self._aliases = {} if places else ALIASES

    def get_command(self, _ctx: object, cmd_name: str) -> Any:
        """Return what the help and the completion show of a command; None if there is none."""
        place = self._places.get(cmd_name)
        panel = _PANEL_OF.get(cmd_name) if self._aliases else None
        return place and TyperCommand(cmd_name, help=place.summary, rich_help_panel=panel)

    def list_commands(self, _ctx: object) -> list[str]:
        """Return the names, in the order of the help."""
        return [*self._places]

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return name, command and the rest of the arguments; the command is imported."""
        if args[0] in self._aliases:
            args = [*self._aliases[args[0]].split(), *args[1:]]
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.commands.get(name or ""), rest


def _build(name: str, place: Place) -> Any:
    """Return the command *name*, whose function is imported; that of a group in a table is not."""
    if not isinstance(place.target, str):
        return CommandGroup(place.target, name=name, help=place.summary, no_args_is_help=True)
    module, _, attribute = place.target.partition(":")
    found = getattr(import_module(f"console.commands.{module}"), attribute)
    if isinstance(found, typer.Typer):
        found.info.cls = found.info.cls or Group
        command: Any = get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name, cls=Command)(found)
        command = get_command(alone)
    command.name = name
    return command
