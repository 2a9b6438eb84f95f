"""From the agent's staging file to the file that the application reads.

The agent runs this after it rendered ``staging/app.yaml``. The staging file is copied and never
moved: an agent whose destination vanished renders and runs again every two seconds. A file that
isn't delivered changes nothing but the status next to the live one; the agent's supervisor tries
again what only waits.
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

#: Seconds for everything. The agent ends a command after 30 s, and then itself.
DEADLINE = 20.0


class State(StrEnum):
    """What became of a staging file."""

    DELIVERED = "delivered"
    UNCHANGED = "unchanged"
    #: For good: these bytes don't fit.
    REFUSED = "refused"
    #: For a reason that may pass: time, memory, a full disk, a model that can't be imported.
    WAITING = "waiting"

    @property
    def live(self) -> bool:
        """Whether the live file holds what was rendered."""
        return self in {State.DELIVERED, State.UNCHANGED}


@dataclass(frozen=True, slots=True)
class Status:
    """The outcome, as it is written to ``<live>.status.json``.

    Attributes:
        state: what became of the staging file.
        reason: why it isn't live, by field names; None when it is.
        when: ISO 8601, UTC.
        since: the same, of the first time that these very bytes were live, or weren't.
        attempts: how often it was tried to make them live.
        staged: which state of the staging file this is about, as :func:`private_file.stamp` gives
            it; None if there was none.

    """

    state: State
    reason: str | None
    when: str
    since: str
    attempts: int
    staged: Stamp | None


def deliver(staging: Path, live: Path, model: str, *, now: datetime) -> Status:
    """Validate *staging* as *model* (``package.module:Class``) and put its bytes at *live*.

    Raises:
        OSError: the status beside *live* can't be written.

    """
    live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(live.parent, folder=True):
        staged = stamp(staging)  # first: what is rendered from now on is another file
        state, reason = _attempt(staging, live, model)
        status = _following(read_status(live), state, reason, now, staged)
        write_private(status_file(live), f"{json.dumps(asdict(status))}\n")
    return status


def _following(
    before: Status | None, state: State, reason: str | None, now: datetime, staged: Stamp | None
) -> Status:
    """The status after *before*: the same bytes in the same place go on being so since then."""
    when = now.isoformat(timespec="seconds")
    if before is None or before.staged != staged or before.state.live != state.live:
        return Status(state, reason, when, when, 1, staged)
    return Status(state, reason, when, before.since, before.attempts + 1, staged)


def status_file(live: Path) -> Path:
    """Where the outcome of the last delivery to *live* is written."""
    return live.with_name(f"{live.name}.status.json")


def read_status(live: Path) -> Status | None:
    """The outcome of the last delivery to *live*; None before the first, or if unreadable."""
    try:
        told = json.loads(status_file(live).read_text(encoding="utf-8"))
        staged = told["staged"] and tuple(told["staged"])
        return Status(**{**told, "state": State(told["state"]), "staged": staged})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def main(arguments: Sequence[str]) -> int:
    """The command ``deliver``. Gives 0, or 1 for a refusal, and exits 64 on wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        with _deadline(DEADLINE):
            status = deliver(options.staging, options.live, options.model, now=datetime.now(tz=UTC))
        state, reason = status.state, status.reason
    except (OSError, StrongroomError) as error:
        state, reason = State.WAITING, _words(error)
    print(f"{options.live}: {state}{f': {reason}' if reason else ''}")  # noqa: T201 (a command's output)
    return 0 if state.live or options.never_fail else 1


def _attempt(staging: Path, live: Path, model: str) -> tuple[State, str | None]:
    """What became of *staging*, and why it isn't live."""
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
        if _holds(live, data):
            return State.UNCHANGED, None
        write_private(live, data)
    except (OSError, StrongroomError) as error:
        return State.WAITING, _words(error)
    return State.DELIVERED, None


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
