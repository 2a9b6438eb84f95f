"""Delivery of a rendered config: from the staging file to the file of the application.

The staging file is copied and never moved, because an agent whose destination is missing renders
again every two seconds. If a file is not delivered, only the files next to the live file change:
its status, and the shape of a rejected file. :mod:`.delivery_watch` tries a ``waiting`` one again.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from app_integration._internal.private_file import Stamp, lock, replace_file, stamp, write_private
from app_integration.config import file_reader, trial
from app_integration.config.delivery_status import State, Status, read_status, status_file
from app_integration.config.file_access import FileAccess
from app_integration.config.file_versions import write_versions
from app_integration.config.interpreter import Interpreter
from app_integration.config.shape import describe_shape
from app_integration.config.validation import validate
from app_integration.config.versions_line import Rendered
from app_integration.errors import ConfigRejected, DeadlineExceeded, StrongroomError

__all__ = ["State", "status_file"]  # what applications import from here

#: Seconds to wait for another delivery to the same file. Together with the time for the model, they
#: must be well below 30, because an agent whose command takes longer kills it and exits.
LOCK_SECONDS = 5.0
_LOCK_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Target:
    """File that the application reads, and its conditions.

    With *is_on_trial*, the file that a delivery replaces is kept until :func:`.trial.accept` or
    :func:`roll_back`. *interpreter* imports *model*; None for that of this process.
    """

    live: Path
    model: str
    access: FileAccess
    is_on_trial: bool = False
    interpreter: Interpreter | None = None


def deliver(
    staging: Path, target: Target, *, now: datetime, is_stopped: Callable[[], bool] = bool
) -> Status:
    """Validate *staging* and copy its bytes to the live file; return and write the status.

    The file is ``waiting`` if *is_stopped* ends the validation. Raises DeadlineExceeded if another
    delivery takes too long.
    """
    live = target.live
    live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_delivery(live, LOCK_SECONDS):
        staged = stamp(staging)  # first, so that a file rendered from now on has another stamp
        rendered, state, reason = _check(staging, target, is_stopped)
        if state is None:
            write_versions(live, rendered, target.access)  # first, so that no live file lacks it
            state, reason = _replace(target, rendered.data)
        elif state is State.REFUSED:
            _write_refused(live, staging, rendered.data, reason, now)
        return write_status(live, state, reason, now, staged)


def deliver_or_wait(
    staging: Path, target: Target, *, now: datetime, is_stopped: Callable[[], bool] = bool
) -> tuple[State, str | None]:
    """Deliver; return the outcome and the reason why the file is not live.

    A delivery whose status could not be written is ``waiting``. See :func:`deliver`.
    """
    try:
        status = deliver(staging, target, now=now, is_stopped=is_stopped)
    except (OSError, StrongroomError) as error:
        return State.WAITING, describe_error(error)
    return status.state, status.reason


@contextmanager
def lock_delivery(live: Path, seconds: float = math.inf) -> Iterator[None]:
    """Hold the lock of deliveries to *live*: a file that no reader of the live one can open."""
    path, end = live.with_name(f".{live.name}.lock"), time.monotonic() + seconds
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock(path, wait=False))
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    problem = f"another delivery to {live} takes more than {seconds:g} s; try again"
                    raise DeadlineExceeded(problem) from None
                time.sleep(_LOCK_POLL)
        yield


def roll_back(
    target: Target, reason: str, *, now: datetime, state: State = State.ROLLED_BACK
) -> bool:
    """Replace the live file by the one before it, because the application does not run well on it.

    On a full disk, only the status and the shape of the rejected file are lost. Return False if
    there was no file before it; then the live file and its status stay.
    """
    live = target.live
    if not trial.is_open(live):
        return False  # without the lock, whose folder the first delivery creates
    with lock_delivery(live):
        if not trial.is_open(live):
            return False
        delivered = read_status(live)
        staged = delivered.staged if delivered else None
        with suppress(OSError, ConfigRejected):
            # First, because a process that is killed after it restores the file at its next start.
            _write_refused(live, live, file_reader.read(live, target.access), reason, now)
            write_status(live, state, reason, now, staged)
        trial.restore(live, target.access)
    return True


def record_not_rendered(staging: Path, live: Path, reason: str, *, now: datetime) -> None:
    """Write the status of a delivery for which nothing was rendered. The live file stays.

    If the staging file was rejected for good, its status stays, too. Otherwise each outage would
    put the application on it again.
    """
    live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_delivery(live):
        before = read_status(live)
        is_rejected = before and before.state in {State.REFUSED, State.ROLLED_BACK}
        if before is None or not is_rejected or before.staged != stamp(staging):
            write_status(live, State.WAITING, reason, now, None)


def _write_refused(live: Path, path: Path, data: bytes, reason: str | None, now: datetime) -> None:
    """Write the shape of the rejected *data*; *path* selects its format."""
    try:
        shape = describe_shape(file_reader.parse(path, data))
    except ConfigRejected:
        shape = None
    record = {"when": now.isoformat(timespec="seconds"), "reason": reason, "shape": shape}
    write_private(refused_file(live), f"{json.dumps(record, indent=2)}\n")


def write_status(
    live: Path, state: State, reason: str | None, now: datetime, staged: Stamp | None
) -> Status:
    """Write the status of a delivery to *live*, and return it."""
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


def refused_file(live: Path) -> Path:
    """Return the path of the shape of the last rejected file, and the reason of the rejection."""
    return live.with_name(f"{live.name}.refused.json")


def _check(
    staging: Path, target: Target, is_stopped: Callable[[], bool]
) -> tuple[Rendered, State | None, str | None]:
    """Read and validate *staging*.

    Return its content, and the outcome and reason if it is not delivered; None for both if it can
    be.
    """
    rendered = Rendered(b"")
    try:
        rendered = file_reader.read_rendered(staging, target.access)
        model, interpreter = target.model, target.interpreter
        verdict = validate(model, rendered.data, staging, interpreter, is_stopped)
    except ConfigRejected as rejected:
        return rendered, State.REFUSED, str(rejected)
    except (OSError, StrongroomError) as error:
        return rendered, State.WAITING, describe_error(error)
    for line in verdict.output:
        with suppress(OSError):  # because a full log must not stop a delivery
            sys.stdout.write(f"{target.live}: {line}\n")  # in one call, because threads deliver
            sys.stdout.flush()
    if verdict.reason is None:
        return rendered, None, None
    return rendered, State.REFUSED if verdict.final else State.WAITING, verdict.reason


def _replace(target: Target, data: bytes) -> tuple[State, str | None]:
    """Replace the live file by *data* unless it has that already; return outcome and reason."""
    live, access = target.live, target.access
    try:
        mode = access.file_mode(live.parent)
        if _is_current(live, access, data):
            # A trial that is open was interrupted, so that it must be repeated.
            return State.DELIVERED if trial.is_open(live) else State.UNCHANGED, None
        if target.is_on_trial:
            trial.begin(live, access)
        replace_file(live, data, mode=mode)
    except (OSError, StrongroomError) as error:
        return State.WAITING, describe_error(error)
    return State.DELIVERED, None


def _is_current(live: Path, access: FileAccess, data: bytes) -> bool:
    """Return whether *live* already has *data*, and the mode and owner that it must have."""
    try:
        return file_reader.read(live, access) == data
    except ConfigRejected:
        return False


def describe_error(error: Exception) -> str:
    """Return the message of *error*, which contains no secret."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return str(error)
