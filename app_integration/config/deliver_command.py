"""Command ``deliver``: deliver a rendered config once, or each time that it is rendered."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from app_integration._internal.cli import ArgumentParser
from app_integration.config.deliver import State, Target, deliver_in_time
from app_integration.config.file_access import FileAccess
from app_integration.errors import ConfigurationError


def main(arguments: Sequence[str]) -> int:
    """Run the command ``deliver``.

    Returns:
        The exit code: 0 if the live file has the rendered content, or with ``--never-fail``; else
        1. Wrong usage exits with 64.

    """
    options = _parser().parse_args(arguments)
    reason: str | None
    try:
        target = Target(options.live, options.model, FileAccess.from_environment())
    except ConfigurationError as error:
        state, reason = State.WAITING, str(error)
    else:
        state, reason = deliver_in_time(options.staging, target, now=datetime.now(tz=UTC))
    print(f"{options.live}: {state}{f': {reason}' if reason else ''}")  # noqa: T201 (a command's output)
    return 0 if state.is_live or options.never_fail else 1


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m app_integration deliver",
        description="Validate a rendered config and copy it to where the application reads it.",
    )
    parser.add_argument(
        "--staging", type=Path, required=True, help="the file that the agent rendered"
    )
    parser.add_argument(
        "--live", type=Path, required=True, help="the file that the application reads"
    )
    parser.add_argument("--model", type=_model_name, required=True, help="package.module:Class")
    parser.add_argument(
        "--never-fail",
        action="store_true",
        help="exit 0 even if the file is rejected, because an agent exits if its command fails",
    )
    return parser


def _model_name(text: str) -> str:
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), attribute]
    if not (colon and all(name.isidentifier() for name in names)):
        raise argparse.ArgumentTypeError(f"{text!r}; expected package.module:Class")
    return text
