"""Commands with the options of the host's, for a service of the declaration."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer

from app_integration._internal.cli import Option
from console.options import HostEnv, Root, Service
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import Target, open_target

#: Runs a command on a target, with its parsed options.
Run = Callable[[Target, Namespace], None]


def host_command(*options: Option) -> Callable[[Run], Callable[..., None]]:
    """Return a decorator of a command that has *options*, and those of a target."""

    def decorate(run: Run) -> Callable[..., None]:
        def command(**parsed: Any) -> None:
            run(open_target(parsed["env"], parsed["root"]), Namespace(**parsed))

        command.__doc__ = run.__doc__
        vars(command)["__signature__"] = Signature([*_parameters(options)])
        return command

    return decorate


def _parameters(options: tuple[Option, ...]) -> Iterator[Parameter]:
    """Yield the parameters in the order of the help: of arguments, the service, and options."""
    yield from (_parameter(each) for each in options if each.is_argument)
    for name, annotation in (("service", Service), ("env", HostEnv)):
        yield Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)
    yield from (_parameter(each) for each in options if not each.is_argument)
    yield Parameter("root", Parameter.KEYWORD_ONLY, annotation=Root, default=DEFAULT_ROOT)


def _parameter(option: Option) -> Parameter:
    kind: Any = list[option.type] if option.is_repeatable else option.type  # type: ignore[name-defined] # it is a value
    if option.is_argument:
        is_needed, info = option.default is None, typer.Argument(help=option.help)
    else:
        # A list shows its type there, as all lists of this tool do.
        metavar = None if option.is_repeatable else option.metavar
        is_needed = option.is_required
        info = typer.Option(option.flag, metavar=metavar, help=option.help)
    default: Any = False if option.type is bool else option.default
    if not is_needed and default is None:
        kind |= None
    return Parameter(
        option.key,
        Parameter.KEYWORD_ONLY,
        annotation=Annotated[kind, info],
        default=Parameter.empty if is_needed else default,
    )
