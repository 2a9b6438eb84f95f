"""Rotations of items that a test declares."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from app_integration.names import Environment
from app_integration.session.session import Session
from vault.declare.declaration import Declaration
from vault.reconcile.resources.secrets import generate_value
from vault.rotation.audit_log import LogFile
from vault.rotation.consumers.consumer_log import ConsumerLog
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item
from vault.rotation.kinds.catalogue import build_steps
from vault.rotation.record import Record, Step
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
    """Return the context of rotations in dev that read no log and no metric.

    Args:
        declaration: The declaration.
        session: Session of the rotator.
        clock: Returns the time of the rotations.
        folder: Working directory of hooks.

    """
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


class LogReader:
    """Reader of audit logs from now on. A further call with the same paths reads what is new.

    What is older is left out, because tokens of other tests may have read the same secret, and are
    valid for an hour.

    Args:
        files: The logs of a shared deployment, which grow with each test.

    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = [(path, path.stat()) for path in files]
        self._logs: dict[frozenset[str], ConsumerLog] = {}

    def __call__(self, paths: Collection[str]) -> ConsumerLog:
        """Return what the logs say of the reads of *paths*."""
        key = frozenset(paths)
        if key not in self._logs:
            files = [
                LogFile(path, offset=found.st_size, inode=found.st_ino)
                for path, found in self._files
            ]
            self._logs[key] = ConsumerLog(FileLog(files), key)
        self._logs[key].read()
        return self._logs[key]
