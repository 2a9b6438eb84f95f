"""Delivery of a rendered config: from the agent's staging file to the file of the application.

The agent runs the command ``deliver`` after it has rendered ``staging/app.yaml``. The staging file
is copied and never moved, because an agent whose destination is missing renders and runs the
command again every two seconds. If a file is not delivered, only the files next to the live file
change: its status, and the shape of a rejected file. Deliveries that are ``waiting`` are retried by
the agent's supervisor, or by :mod:`.delivery_watch`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType

from app_integration._internal.private_file import Stamp, lock, replace_file, stamp, write_private
from app_integration.config import file_reader, trial
from app_integration.config.file_access import FileAccess
from app_integration.config.shape import describe_shape
from app_integration.config.validation import validate
from app_integration.errors import ConfigRejected, DeadlineExceeded, StrongroomError

#: Seconds for a whole delivery. It must be below 30 s, because the agent then kills the command and
#: exits.
DEADLINE = 20.0


class State(StrEnum):
    """Outcome of a delivery."""

    DELIVERED = "delivered"
    UNCHANGED = "unchanged"
    #: Permanently: these bytes are invalid, or the application does not run well on them.
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


@dataclass(frozen=True, slots=True)
class Target:
    """File that the application reads, and its conditions.

    Attributes:
        live: The file. Its folder is created if it is missing.
        model: ``package.module:Class`` of the config model.
        access: The rights that the live and the staging file may have.
        is_on_trial: Whether the file that a delivery replaces is kept until :func:`.trial.end` or
            :func:`roll_back`.

    """

    live: Path
    model: str
    access: FileAccess
    is_on_trial: bool = False


def deliver(staging: Path, target: Target, *, now: datetime) -> Status:
    """Validate *staging* and copy its bytes to the live file; return and write the status.

    Args:
        staging: The file that the agent rendered.
        target: Where to.
        now: The time of the delivery, in UTC.

    Raises:
        OSError: If the status beside the live file cannot be written.

    """
    live = target.live
    live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(live.parent, folder=True):
        staged = stamp(staging)  # first, so that a file rendered from now on has another stamp
        state, reason = _attempt(staging, target)
        if state is State.REFUSED:
            with suppress(ConfigRejected):
                data = file_reader.read(staging, target.access)
                _write_refused(live, staging, data, reason, now)
        return _write_status(live, state, reason, now, staged)


def deliver_in_time(staging: Path, target: Target, *, now: datetime) -> tuple[State, str | None]:
    """Deliver within :data:`DEADLINE`; return the outcome and the reason why it is not live.

    A delivery whose status could not be written is ``waiting``. See :func:`deliver`.
    """
    try:
        with _deadline(DEADLINE):
            status = deliver(staging, target, now=now)
    except (OSError, StrongroomError) as error:
        return State.WAITING, describe_error(error)
    return status.state, status.reason


def roll_back(target: Target, reason: str, *, now: datetime) -> bool:
    """Replace the live file by the one before it, because the application does not run well on it.

    Args:
        target: The live file, on trial.
        reason: What the application does, without secrets.
        now: The time, in UTC.

    Returns:
        Whether there was a file before it. If not, the live file stays, and so does its status.

    Raises:
        ConfigRejected: If the folder's mode is wrong.
        OSError: If a file cannot be read or written.

    """
    live = target.live
    with lock(live.parent, folder=True):
        data, delivered = live.read_bytes(), read_status(live)
        if not trial.restore(live, target.access):
            return False
        _write_refused(live, live, data, reason, now)
        staged = delivered.staged if delivered else None
        _write_status(live, State.REFUSED, reason, now, staged)
        trial.end(live)  # last, because a process that is killed before must restore again
    return True


def _write_refused(live: Path, path: Path, data: bytes, reason: str | None, now: datetime) -> None:
    """Write the shape of the rejected *data*; *path* selects its format."""
    try:
        shape = describe_shape(file_reader.parse(path, data))
    except ConfigRejected:
        shape = None
    record = {"when": now.isoformat(timespec="seconds"), "reason": reason, "shape": shape}
    write_private(refused_file(live), f"{json.dumps(record, indent=2)}\n")


def _write_status(
    live: Path, state: State, reason: str | None, now: datetime, staged: Stamp | None
) -> Status:
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


def refused_file(live: Path) -> Path:
    """Return the path of the shape of the last rejected file, and the reason of the rejection."""
    return live.with_name(f"{live.name}.refused.json")


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


def _attempt(staging: Path, target: Target) -> tuple[State, str | None]:
    """Try to deliver *staging*; return the outcome and the reason why it is not live."""
    try:
        data = file_reader.read(staging, target.access)
    except ConfigRejected as rejected:
        return State.REFUSED, str(rejected)
    try:
        verdict = validate(target.model, data, staging)
        for line in verdict.output:
            print(f"{target.model}: {line}")  # noqa: T201 (for the agent's log)
        if verdict.reason is not None:
            return State.REFUSED if verdict.final else State.WAITING, verdict.reason
        return _replace(target, data), None
    except (OSError, StrongroomError) as error:
        return State.WAITING, describe_error(error)


def _replace(target: Target, data: bytes) -> State:
    """Replace the live file by *data* unless it has that already."""
    mode = target.access.file_mode(target.live.parent)
    with suppress(ConfigRejected):
        if file_reader.read(target.live, target.access) == data:
            return State.UNCHANGED
    if target.is_on_trial:
        trial.begin(target.live, target.access)
    replace_file(target.live, data, mode=mode)
    return State.DELIVERED


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


def describe_error(error: Exception) -> str:
    """Return the message of *error*, which contains no secret."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)
