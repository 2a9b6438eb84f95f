"""Rotations of an environment: their records, and for those under way who has moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from app_integration.errors import StrongroomError
from console.page.sources.read_threads import read_all
from vault.reconcile.resources import ReadSession
from vault.reconcile.resources.kv import metadata_path
from vault.reconcile.resources.ownership import ownership_path, rotation_kind
from vault.rotation.consumers.evidence_type import Evidence
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item, declared_items
from vault.rotation.kinds.catalogue import build_steps
from vault.rotation.kinds.secret import SecretRotation
from vault.rotation.kinds.user_pair import UserPairRotation
from vault.rotation.record import Record, Step


@dataclass(frozen=True, slots=True)
class RotationState:
    """The last rotation of one item."""

    item: Item
    record: Record | None
    evidence: Evidence | None = None
    problem: str = ""


def read_rotations(context: RotationContext) -> tuple[RotationState, ...]:
    """Return the rotations that the server has a record of. No value is read."""
    found = read_all(partial(_read_record, context), list(_find_rotated(context)))
    # One after the other, because they share the logs.
    return tuple(_observe(context, each) for each in found)


def _find_rotated(context: RotationContext) -> Iterator[Item]:
    """Yield the declared items with a record. A list of names costs less than a read of each."""
    items = declared_items(context.declaration, context.environment)
    for kind in dict.fromkeys(item.kind for item in items):
        folder = ownership_path(context.environment, rotation_kind(kind), "").rstrip("/")
        names = set(_walk(context.session, metadata_path(folder, context.mounts.kv)))
        yield from (item for item in items if item.kind is kind and item.server_name in names)


def _walk(reader: ReadSession, path: str, prefix: str = "") -> Iterator[str]:
    """Yield the names of all entries below *path*."""
    for key in reader.list(f"{path}/{prefix}"):
        if key.endswith("/"):
            yield from _walk(reader, path, f"{prefix}{key}")
        else:
            yield f"{prefix}{key}"


def _read_record(context: RotationContext, item: Item) -> RotationState:
    try:
        return RotationState(item, context.store(item).read())
    except StrongroomError as error:
        return RotationState(item, None, problem=str(error))


def _observe(context: RotationContext, state: RotationState) -> RotationState:
    """Return *state* with the evidence, if the rotation waits for consumers."""
    record = state.record
    if record is None or record.step is not Step.CONSUMERS:
        return state
    try:
        evidence = _find_evidence(context, state.item, record)
    except (StrongroomError, OSError) as error:
        return RotationState(state.item, record, problem=str(error))
    return RotationState(state.item, record, evidence)


def _find_evidence(context: RotationContext, item: Item, record: Record) -> Evidence | None:
    """Return what metadata and logs say of the consumers, None of a kind that needs more."""
    steps = build_steps(context, item)
    secret = steps.secret if isinstance(steps, UserPairRotation) else steps
    if not isinstance(secret, SecretRotation):
        return None
    evidence = secret.observe_readers(record)
    if record.moved is None or evidence.waiting:
        return evidence
    return evidence.with_grace_since(record.moved)
