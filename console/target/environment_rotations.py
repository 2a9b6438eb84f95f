"""The rotations of one environment, with the operator's session and surroundings."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from app_integration._internal import server_urls
from app_integration.errors import ConfigurationError
from app_integration.session.server_clock import read_server_clock
from app_integration.session.session import Session
from console.target.evidence_sources import EvidenceSources
from console.target.sessions import open_job_session
from console.target.target import Target
from vault.declare.errors import hint_names, join_names
from vault.declare.server_names import ROTATOR_JOB
from vault.reconcile.resources.kv import data_path
from vault.reconcile.resources.secrets import generate_value
from vault.rotation.context import RotationContext
from vault.rotation.handover import NO_HANDOVER, Handover
from vault.rotation.inventory import Item, declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.kinds.catalogue import build_steps
from vault.rotation.record import Record, Step
from vault.rotation.rotation import Result, Rotation
from vault.rotation.schedule import needs_run
from vault.rotation.server_ages import read_ages

#: Seconds between two looks at the consumers.
INTERVAL: Final = 2.0

Report = Callable[[Item, Step, Record], None]


@dataclass(frozen=True, slots=True)
class Rotations:
    """Rotations of the items of one environment.

    *report* gets each step of an item with the record after it. *expect_paths* gets the API paths
    whose reads the audit logs will be searched for.
    """

    context: RotationContext
    items: Sequence[Item]
    report: Report
    expect_paths: Callable[[Collection[str]], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def find(self, name: str, kind: Kind | None) -> Item:
        """Return the item *name*."""
        found = [each for each in self.items if each.name == name and kind in {None, each.kind}]
        if len(found) == 1:
            return found[0]
        environment = self.context.environment
        if found:
            which = join_names([f"{each.kind} of {each.service or 'a job'}" for each in found])
            raise ConfigurationError(
                f"{environment} has more than one {name!r}; pass --service and --kind ({which})"
            )
        what = f"no {kind} in {environment}" if kind else f"nothing in {environment}"
        names = sorted({each.name for each in self.items if kind in {None, each.kind}})
        raise ConfigurationError(f"{what} is called {name!r}{hint_names(name, names)}")

    def read_record(self, item: Item) -> Record | None:
        """Return the record of the item's last rotation, None if there was none."""
        return self.context.store(item).read()

    def rotation(self, item: Item) -> Rotation:
        """Return the rotation of *item*. No request is sent.

        Raises OwnedElsewhere if only the owner of the value can change it.
        """
        return Rotation(
            steps=build_steps(self.context, item),
            store=self.context.store(item),
            session=self.context.session,
            clock=self.context.clock,
            new_record=self.new_record,
            report=partial(self.report, item),
        )

    def new_record(self) -> Record:
        """Return the record of a rotation that begins now."""
        return Record(secrets.token_hex(8), Step.CREATE, self.context.clock())

    def confirm_retired(self) -> Rotations:
        """Return the same, in which the operator has confirmed the end of a value that is lost."""
        return replace(self, context=replace(self.context, is_retired=True))

    def is_due(self, item: Item) -> bool:
        """Return whether a scheduled run begins or continues the rotation of *item*."""
        context, now = self.context, self.context.clock()
        ages = partial(read_ages, context.session, item, context.mounts, now)
        return needs_run(item, self.read_record(item), ages, now)

    def expect(self, items: Sequence[Item]) -> None:
        """Let the audit logs be read once for all *items*, instead of once for each of them."""
        due, services = {*items}, {item.service for item in items}
        paths = [
            data_path(item.server_name, self.context.mounts.kv)
            for item in self.items
            if item.kind in {Kind.SECRET, Kind.USER_PAIR}
            and (item in due or (item.derived_from and item.service in services))
        ]
        self.expect_paths(paths)

    def run(self, item: Item, *, is_compromised: bool = False, patience: float = 0) -> Result:
        """Begin or continue the rotation of *item*, and wait *patience* seconds for consumers.

        With *is_compromised*, the old value stops working at once, although consumers use it. The
        next call repeats a step that fails.
        """
        rotation, deadline = self.rotation(item), self.clock() + patience
        result = rotation.run(is_compromised=is_compromised)
        while not result.record.step.is_end and self.clock() < deadline:
            self.sleep(INTERVAL)
            result = rotation.resume(result.record)
        return result


@contextmanager
def open_rotations(
    evidence: EvidenceSources,
    service: str | None,
    report: Report,
    handover: Handover = NO_HANDOVER,
) -> Iterator[Rotations]:
    """Yield the rotations of one service or all, with a session that may rotate.

    The folders that the local deployment reads are added to *handover*.
    """
    target = evidence.target
    items = declared_items(target.declaration, target.environment, service)
    handover = replace(handover, find_used=partial(_find_used, target))
    with open_job_session(target, ROTATOR_JOB) as session:
        context = build_context(evidence, session, handover)
        lists_tokens = not server_urls.read_namespace(os.environ)
        context = replace(context, clock=read_server_clock(session), lists_tokens=lists_tokens)
        yield Rotations(context, items, report, evidence.expect)


def build_context(
    evidence: EvidenceSources, session: Session, handover: Handover = NO_HANDOVER
) -> RotationContext:
    """Return what the rotations of an environment share."""
    target = evidence.target
    return RotationContext(
        declaration=target.declaration,
        environment=target.environment,
        session=session,
        folder=target.checkout.repository.root,
        environ=os.environ,
        read_log=evidence.read_log,
        clock=partial(datetime.now, UTC),
        generate=generate_value,
        read_metrics=evidence.read_metrics,
        handover=handover,
        read_logins=evidence.read_logins,
    )


def _find_used(target: Target, role: str) -> Path | None:
    """Return the folder from which a process of the local deployment reads its credential."""
    if not target.is_local:
        return None
    layout = target.local_deployment().layout
    files = (layout.secret_id(role), layout.service_secret_id(role))
    return next((each.parent for each in files if each.exists()), None)
