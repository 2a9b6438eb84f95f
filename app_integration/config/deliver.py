"""From the agent's staging file to the file that the application reads.

The agent runs this after it rendered ``staging/app.yaml``. The staging file is copied and never
moved: an agent whose destination vanished renders and runs again every two seconds. A file that
is refused changes nothing but the status next to the live one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType

from app_integration._internal.cli import ArgumentParser
from app_integration._internal.private_file import lock, write_private
from app_integration.config import file_reader, loader
from app_integration.config.loader import Model
from app_integration.errors import ConfigRejected, DeadlineExceeded, StrongroomError

#: Seconds for everything. The agent ends a command after 30 s, and then itself.
DEADLINE = 20.0

#: All that is left of the agent's environment once this starts.
_KEPT_VARIABLES = frozenset({"HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TZ"})


class State(StrEnum):
    """What became of a staging file."""

    DELIVERED = "delivered"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Status:
    """The outcome, as it is written to ``<live>.status.json``.

    Attributes:
        state: what became of the staging file.
        reason: why it was refused, by field names; None otherwise.
        when: ISO 8601, UTC.
    """

    state: State
    reason: str | None
    when: str


def deliver(staging: Path, live: Path, model: str, *, now: datetime) -> Status:
    """Validate *staging* as *model* (``package.module:Class``) and put its bytes at *live*.

    Raises:
        OSError: *live*, or the status beside it, can't be written.
    """
    live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(live.parent, folder=True):
        try:
            state, reason = _swap(staging, live, model), None
        except StrongroomError as error:
            state, reason = State.REFUSED, str(error)
        status = Status(state, reason, now.isoformat(timespec="seconds"))
        write_private(status_file(live), f"{json.dumps(asdict(status))}\n")
    return status


def status_file(live: Path) -> Path:
    """Where the outcome of the last delivery to *live* is written."""
    return live.with_name(f"{live.name}.status.json")


def main(arguments: Sequence[str]) -> int:
    """The command ``deliver``. Gives 0, or 1 for a refusal, and exits 64 on wrong usage."""
    options = _parser().parse_args(arguments)
    _scrub_environment()
    try:
        with _deadline(DEADLINE):
            status = deliver(options.staging, options.live, options.model, now=datetime.now(tz=UTC))
    except (OSError, StrongroomError) as error:
        status = Status(State.REFUSED, _words(error), "")
    print(f"{options.live}: {status.state}{f': {status.reason}' if status.reason else ''}")  # noqa: T201 (a command's output)
    return 1 if status.state is State.REFUSED and not options.never_fail else 0


def _swap(staging: Path, live: Path, model: str) -> State:
    data = file_reader.read(staging)
    loader.validate(_load_model(model), data, staging)
    _check_folder(live.parent)
    if _holds(live, data):
        return State.UNCHANGED
    write_private(live, data)
    return State.DELIVERED


def _load_model(name: str) -> type[Model]:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except DeadlineExceeded:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 (it runs the application's code)
        kind = type(error).__name__
        raise ConfigRejected(f"the model {name} can't be imported ({kind})") from None
    if not (isinstance(found, type) and hasattr(found, "model_validate")):
        raise ConfigRejected(f"the model {name} isn't a class with model_validate")
    return found


def _check_folder(folder: Path) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        raise ConfigRejected(f"{folder} has mode {mode:04o}, so others can look in: chmod 0700")


def _holds(live: Path, data: bytes) -> bool:
    """Whether *live* is already what it should be, its mode and owner included."""
    try:
        return file_reader.read(live) == data
    except ConfigRejected:
        return False


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise DeadlineExceeded in the block once *seconds* are over."""

    def expire(_signal: int, _frame: FrameType | None) -> None:
        raise DeadlineExceeded(f"not delivered within {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _scrub_environment() -> None:
    """Drop what the agent had: the application's model has no use for an address or a token."""
    for name in set(os.environ) - _KEPT_VARIABLES:
        del os.environ[name]


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m app_integration deliver",
        description="Validate a rendered config and put it where the application reads it.",
    )
    parser.add_argument("--staging", type=Path, required=True, help="the file the agent rendered")
    parser.add_argument("--live", type=Path, required=True, help="the file the application reads")
    parser.add_argument("--model", type=_model_name, required=True, help="package.module:Class")
    parser.add_argument(
        "--never-fail",
        action="store_true",
        help="exit 0 when the file is refused: an agent whose command fails ends itself",
    )
    return parser


def _model_name(text: str) -> str:
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), attribute]
    if not (colon and all(name.isidentifier() for name in names)):
        raise argparse.ArgumentTypeError(f"{text!r}; expected package.module:Class")
    return text
