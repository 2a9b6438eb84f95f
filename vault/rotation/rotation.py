"""The state machine of a rotation, the same for every kind of value.

create → set → test → promote → consumers → retire. Each step can be repeated, and the record on the
server names the next one. So after a kill, the same command continues. Only one run creates the
new value. Until the old one is retired, the rotation can be undone. A value that signs is announced
before it is promoted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.session.session import Session
from vault.rotation.consumers.evidence_type import Evidence
from vault.rotation.item_kind import Kind
from vault.rotation.kind_protocol import Announced, Steps
from vault.rotation.record import Record, RecordStore, Step


class OwnedElsewhere(ConfigurationError):
    """A value that only its owner can change, or hand over to its consumer."""


class UndoImpossible(ConfigurationError):
    """A rotation that has no way back. It can be continued."""


#: Step → the one after it.
_NEXT: Final = {
    Step.CREATE: Step.SET,
    Step.SET: Step.TEST,
    Step.TEST: Step.PROMOTE,
    Step.PROMOTE: Step.CONSUMERS,
    Step.CONSUMERS: Step.RETIRE,
    Step.RETIRE: Step.DONE,
}


#: Kinds whose new value is in use only from its promotion on. That of any other one may be so from
#: its creation, before the record says so.
_PENDING_KINDS: Final = frozenset((Kind.SECRET, Kind.USER_PAIR, Kind.SECRET_ID))
_BEFORE_PROMOTION: Final = frozenset((Step.CREATE, Step.SET, Step.TEST))


@dataclass(frozen=True, slots=True)
class Result:
    """How far a rotation has come."""

    record: Record
    evidence: Evidence | None = None
    announced_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """The rotation of one item."""

    steps: Steps
    store: RecordStore
    session: Session
    clock: Callable[[], datetime]
    new_record: Callable[[], Record]
    report: Callable[[Step, Record], None]

    def run(self, *, is_compromised: bool = False) -> Result:
        """Begin a rotation, or continue the one that has begun, as far as its consumers allow.

        With *is_compromised*, the current value is retired even if it is still used; a rotation
        that may have made it current is ended first, and another one replaces it. After an error,
        the next call repeats the step.
        """
        record = self.store.read()
        if record is not None and record.is_undone and not record.step.is_end:
            record = self._undo(record, record)
            if not is_compromised:
                return Result(record)
        if record is None or record.step.is_end:
            is_compromised |= record is not None and record.needs_another
            record = self._start(record, is_compromised=is_compromised)
        elif is_compromised:
            is_repeated = record.is_repeated or self._may_be_in_use(record)
            known, record = record, replace(record, is_compromised=True, is_repeated=is_repeated)
            self._write(record, known)
        result = self._continue(record)
        return self.run(is_compromised=True) if result.record.is_repeated else result

    def resume(self, waiting: Record) -> Result:
        """Continue the rotation that waits, and begin no other one if another run has ended it."""
        found = self.store.read()
        if found is None or found.id != waiting.id or (found.is_undone and not found.step.is_end):
            raise self._overtaken()
        return self._continue(found)

    def _continue(self, record: Record) -> Result:
        evidence = None
        while not record.step.is_end:
            self._require_unchanged(record)
            if record.step is Step.CONSUMERS:
                record, evidence = self._count_grace(record, self.steps.find_consumers(record))
                if not (evidence.is_complete(self.clock()) or record.is_compromised):
                    break
            elif record.step is Step.PROMOTE:
                record, until = self._announce(record)
                if until is not None and self.clock() < until:
                    return Result(record, announced_until=until)
            elif record.step is Step.RETIRE and record.is_compromised and evidence is None:
                evidence = self.steps.find_consumers(record)  # because a kill lost the list
            record = self._run_step(record)
        return Result(record, evidence)

    def _announce(self, record: Record) -> tuple[Record, datetime | None]:
        """Announce the new value if it signs, and return when it can be promoted, None for now."""
        steps = self.steps
        if record.is_compromised or not isinstance(steps, Announced) or steps.announce_for is None:
            return record, None
        if record.announced is None:
            after = replace(steps.announce(record), announced=self.clock())
            record = self._write(after, record)
        return record, (record.announced or self.clock()) + steps.announce_for

    def _count_grace(self, record: Record, evidence: Evidence) -> tuple[Record, Evidence]:
        """Return *evidence* with its grace period counted from the first look without a consumer.

        The record keeps that time, because a metric does not show when its targets have moved.
        """
        if record.is_compromised or not (evidence.grace or evidence.waiting):
            return record, evidence
        moved = None if evidence.waiting else record.moved or self.clock()
        if moved != record.moved:
            record = self._write(replace(record, moved=moved), record)
        return record, evidence if moved is None else evidence.with_grace_since(moved)

    def undo(self) -> Record:
        """Go back to the old value, and return the record."""
        record, name = self.store.read(), self.steps.item.name
        if record is None or record.step.is_end:
            raise ConfigurationError(
                f"no rotation of {name} is under way, and nothing was changed; see rotate --status"
            )
        is_ending = record.is_compromised and record.step is Step.CONSUMERS
        if record.step is Step.RETIRE or is_ending:
            raise ConfigurationError(
                f"the old value of {name} is being retired, so that nothing can be undone; "
                "continue with: strongroom rotate"
            )
        return self._undo(replace(record, is_undone=True), record)

    def _undo(self, record: Record, known: Record) -> Record:
        """Go back to the old value. The record says so first, so that a kill changes nothing."""
        self._write(record, known)
        self._require_unchanged(record)
        try:
            self.steps.undo(record)
        except UndoImpossible:
            self._write(replace(record, is_undone=False), record)
            raise
        return self._write(replace(record, step=Step.UNDONE, ended=self.clock()), record)

    def _may_be_in_use(self, record: Record) -> bool:
        """Return whether the new value of the rotation under way may be the current one."""
        is_pending = self.steps.item.kind in _PENDING_KINDS and record.step in _BEFORE_PROMOTION
        return not is_pending

    def _start(self, known: Record | None, *, is_compromised: bool) -> Record:
        record = replace(self.new_record(), is_compromised=is_compromised)
        return self._write(self.steps.start(record), known)

    def _run_step(self, record: Record) -> Record:
        if record.step is not Step.CREATE:
            return self._complete_step(record)
        with self.store.pending(self.session).claim(record.id, self.clock()):
            self._require_unchanged(record)  # the claim may follow another run's creation
            return self._complete_step(record)

    def _complete_step(self, record: Record) -> Record:
        step = record.step
        after = replace(self._execute(record), step=_NEXT[step])
        if step is Step.PROMOTE:
            after = replace(after, promoted=self.clock())
        elif step is Step.RETIRE:
            after = replace(after, ended=self.clock())
        self._write(after, record)
        self.report(step, after)
        return after

    def _execute(self, record: Record) -> Record:
        match record.step:
            case Step.CREATE:
                return self.steps.create(record)
            case Step.SET:
                return self.steps.set(record)
            case Step.TEST:
                return self.steps.test(record)
            case Step.PROMOTE:
                return self.steps.promote(record)
            case Step.RETIRE:
                return self.steps.retire(record)
            case _:
                return record

    def _write(self, record: Record, known: Record | None) -> Record:
        """Replace the record *known*, unless another run has replaced it."""
        self.store.write(self.session, record, partial(self._require_equal, known))
        return record

    def _require_unchanged(self, known: Record) -> None:
        """Check before a step that no other run continues, undoes or ends the rotation."""
        self._require_equal(known, self.store.read())

    def _require_equal(self, known: Record | None, found: Record | None) -> None:
        if found != known:
            raise self._overtaken()

    def _overtaken(self) -> ConfigurationError:
        return ConfigurationError(
            f"another run has changed the rotation of {self.steps.item.name}, so that "
            "this one stops; see its state with --status, and run the command again"
        )
