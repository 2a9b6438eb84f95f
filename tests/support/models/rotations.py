"""Rotations of items that a test declares."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from operator import methodcaller
from pathlib import Path
from typing import Any, cast

import pytest

from app_integration.names import Environment
from app_integration.session.session import Session
from vault.audit.event_file import EventFile
from vault.declare.declaration import Declaration
from vault.reconcile.resources.secrets import generate_value
from vault.rotation.consumers.consumer_log import ConsumerLog
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item
from vault.rotation.kinds.catalogue import build_steps
from vault.rotation.pending import PendingValue
from vault.rotation.record import Record, RecordStore, Step
from vault.rotation.response_log import FileLog
from vault.rotation.rotation import Rotation


def change_service(declaration: Declaration, service: str, **fields: object) -> Declaration:
    """Return *declaration* with other *fields* of *service*."""
    changed = declaration.services[service].model_copy(update=fields)
    return replace(declaration, services={**declaration.services, service: changed})


def dev_context(
    declaration: Declaration,
    session: Session,
    clock: Callable[[], datetime],
    folder: Path = Path(),
) -> RotationContext:
    """Return the context of rotations in dev that read no log and no metric."""
    return RotationContext(
        declaration=declaration,
        environment=Environment.DEV,
        session=session,
        folder=folder,
        environ=os.environ,
        read_log=lambda _paths: None,
        clock=clock,
        generate=generate_value,
    )


def build_rotation(context: RotationContext, item: Item) -> Rotation:
    """Return the rotation of *item*, whose steps are not reported."""
    return Rotation(
        steps=build_steps(context, item),
        store=context.store(item),
        session=context.session,
        clock=context.clock,
        new_record=lambda: Record(secrets.token_hex(8), Step.CREATE, context.clock()),
        report=lambda _step, _record: None,
    )


class Stopped(Exception):
    """The end of a run, as of one that is killed."""


@dataclass
class StoppingStore:
    """A store of records that ends the run at a write."""

    store: RecordStore
    left: int
    is_written: bool

    def read(self) -> Record | None:
        return self.store.read()

    def pending(self, session: Session) -> PendingValue:
        return self.store.pending(session)

    def write(self, *arguments: Any) -> None:
        self.left -= 1
        if self.left > 0 or self.is_written:
            self.store.write(*arguments)
        if self.left <= 0:
            raise Stopped


#: Whether each state is tried, which takes a minute for a kind, or the two that were once wrong.
EACH_STATE = pytest.mark.parametrize(
    "is_whole", [False, pytest.param(True, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])]
)
#: The write of a record after a promotion.
_PROMOTED = 5
_EMERGENCY: Callable[[Rotation], object] = methodcaller("run", is_compromised=True)


def stop_in_each_state(build: Callable[[], Rotation], *, is_whole: bool) -> Iterator[str]:
    """Yield after each stop of a run: before and after each write of its record, and at its end.

    The runs are a rotation, an emergency, and the way back.
    """
    if not is_whole:
        for first, is_written in ((Rotation.run, False), (_EMERGENCY, True)):
            assert _stop(build(), first, _PROMOTED, is_written=is_written)
            yield f"promoted, {is_written}"
        return
    runs: tuple[Callable[[Rotation], object], ...] = Rotation.run, _EMERGENCY, _undo
    for run, is_written in itertools.product(runs, (False, True)):
        writes, is_stopped = 0, True
        while is_stopped:
            writes += 1
            is_stopped = _stop(build(), run, writes, is_written=is_written)
            yield f"{run} write {writes} {is_written}"


def _undo(rotation: Rotation) -> None:
    """Rotate, and go back if that is possible."""
    if not rotation.run().record.step.is_end:
        rotation.undo()


def _stop(
    rotation: Rotation, run: Callable[[Rotation], object], writes: int, *, is_written: bool
) -> bool:
    """Return whether the run was stopped at a write of its record, and has not ended before."""
    store = cast("RecordStore", StoppingStore(rotation.store, writes, is_written))
    try:
        run(replace(rotation, store=store))
    except Stopped:
        return True
    return False


class LogReader:
    """Reader of audit logs from now on. A further call with the same paths reads what is new.

    What is older is left out, because tokens of other tests may have read the same secret, and are
    valid for an hour.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = [(path, path.stat()) for path in files]
        self._logs: dict[frozenset[str], ConsumerLog] = {}

    def __call__(self, paths: Collection[str]) -> ConsumerLog:
        """Return what the logs say of the reads of *paths*."""
        key = frozenset(paths)
        if key not in self._logs:
            files = [
                EventFile(path, offset=found.st_size, inode=found.st_ino)
                for path, found in self._files
            ]
            self._logs[key] = ConsumerLog(FileLog(files), key)
        self._logs[key].read()
        return self._logs[key]
