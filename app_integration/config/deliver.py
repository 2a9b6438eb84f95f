"""Delivery of a rendered config: from the agent's staging file to the file of the application.

The agent runs this command after it has rendered ``staging/app.yaml``. The staging file is copied
and never moved, because an agent whose destination is missing renders and runs the command again
every two seconds. If a file is not delivered, only the status next to the live file changes; the
agent's supervisor retries deliveries that are ``waiting``.
"""

from __future__ import annotations

import argparse
import json
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
from app_integration._internal.private_file import Stamp, lock, stamp, write_private
from app_integration.config import file_reader
from app_integration.config.validation import validate
from app_integration.errors import ConfigRejected, DeadlineExceeded, StrongroomError

#: Seconds for a whole delivery. It must be below 30 s, because the agent then kills the command and
#: exits.
DEADLINE = 20.0


class State(StrEnum):
    """Outcome of a delivery."""

    DELIVERED = "delivered"
    UNCHANGED = "unchanged"
    #: Permanently: these bytes are invalid.
    REFUSED = "refused"
    #: For a reason that may pass: a timeout, memory, a full disk, a model that cannot be imported.
    WAITING = "waiting"

    @property
    def is_live(self) -> bool:
        """Return whether the live file has the rendered content."""
        return self in {State.DELIVERED, State.UNCHANGED}


@dataclass(frozen=True, slots=True)
class Status:
    """Outcome of the last delivery, as it is written to ``<live>.status.json``.

    Attributes:
        state: The outcome.
        reason: Reason why the staging file is not live, by field names; None if it is live.
        when: Time of this delivery, in ISO 8601, UTC.
        since: Time from which the same staging file has been live, or has not been; same format.
        attempts: Number of deliveries of the same staging file with the same result.
        staged: The state of the staging file, as :func:`private_file.stamp` returns it; None if the
            file was missing.

    """

    state: State
    reason: str | None
    when: str
    since: str
    attempts: int
    staged: Stamp | None


def deliver(staging: Path, live: Path, model: str, *, now: datetime) -> Status:
    """Validate *staging* and copy its bytes to *live*; return and write the status.

    Args:
        staging: The file that the agent rendered.
        live: The file that the application reads. Its folder is created if it is missing.
        model: ``package.module:Class`` of the config model.
        now: The time of the delivery, in UTC.

    Raises:
        OSError: If the status beside *live* cannot be written.

    """
    live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(live.parent, folder=True):
        staged = stamp(staging)  # first, so that a file rendered from now on has another stamp
        state, reason = _attempt(staging, live, model)
        status = _next_status(read_status(live), state, reason, now, staged)
        write_private(status_file(live), f"{json.dumps(asdict(status))}\n")
    return status


def _next_status(
    before: Status | None, state: State, reason: str | None, now: datetime, staged: Stamp | None
) -> Status:
    """Return the status after *before*; the same result keeps ``since`` and counts an attempt."""
    when = now.isoformat(timespec="seconds")
    if before is None or before.staged != staged or before.state.is_live != state.is_live:
        return Status(state, reason, when, when, 1, staged)
    return Status(state, reason, when, before.since, before.attempts + 1, staged)


def status_file(live: Path) -> Path:
    """Return the path of the status of the last delivery to *live*."""
    return live.with_name(f"{live.name}.status.json")


def read_status(live: Path) -> Status | None:
    """Return the status of the last delivery to *live*; None if there is none, or it is invalid."""
    try:
        return parse_status(status_file(live).read_bytes())
    except OSError:
        return None


def parse_status(content: bytes) -> Status | None:
    """Return the status in the *content* of a status file; None if it is invalid."""
    try:
        fields = json.loads(content)
        staged = fields["staged"] and tuple(fields["staged"])
        return Status(**{**fields, "state": State(fields["state"]), "staged": staged})
    except (ValueError, TypeError, KeyError):
        return None


def main(arguments: Sequence[str]) -> int:
    """Run the command ``deliver``.

    Returns:
        The exit code: 0 if the live file has the rendered content, or with ``--never-fail``; else
        1. Wrong usage exits with 64.

    """
    options = _parser().parse_args(arguments)
    try:
        with _deadline(DEADLINE):
            status = deliver(options.staging, options.live, options.model, now=datetime.now(tz=UTC))
        state, reason = status.state, status.reason
    except (OSError, StrongroomError) as error:
        state, reason = State.WAITING, _message(error)
    print(f"{options.live}: {state}{f': {reason}' if reason else ''}")  # noqa: T201 (a command's output)
    return 0 if state.is_live or options.never_fail else 1


def _attempt(staging: Path, live: Path, model: str) -> tuple[State, str | None]:
    """Try to deliver *staging*; return the outcome and the reason why it is not live."""
    try:
        data = file_reader.read(staging)
    except ConfigRejected as rejected:
        return State.REFUSED, str(rejected)
    try:
        verdict = validate(model, data, staging)
        for line in verdict.output:
            print(f"{model}: {line}")  # noqa: T201 (for the agent's log)
        if verdict.reason is not None:
            return State.REFUSED if verdict.final else State.WAITING, verdict.reason
        _check_folder(live.parent)
        if _is_current(live, data):
            return State.UNCHANGED, None
        write_private(live, data)
    except (OSError, StrongroomError) as error:
        return State.WAITING, _message(error)
    return State.DELIVERED, None


def _check_folder(folder: Path) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        raise ConfigRejected(
            f"{folder} has mode {mode:04o}, so that other users can access it: chmod 0700"
        )


def _is_current(live: Path, data: bytes) -> bool:
    """Return whether *live* already has *data*, and the mode and owner that it must have."""
    try:
        return file_reader.read(live) == data
    except ConfigRejected:
        return False


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise DeadlineExceeded in the block once *seconds* are over."""

    def expire(_signal: int, _frame: FrameType | None) -> None:
        raise DeadlineExceeded(f"the file was not delivered within {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _message(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)


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
