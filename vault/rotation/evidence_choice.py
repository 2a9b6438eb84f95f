"""Choice of the evidence for the consumers of a secret: the audit log, else metrics, else time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from app_integration.errors import StrongroomError
from app_integration.names import Scope
from vault.reconcile.resources import read_data
from vault.reconcile.resources.kv import data_path, metadata_path
from vault.reconcile.server_time import parse_time
from vault.rotation.audit_response import find_role
from vault.rotation.consumers.consumer_log import ConsumerLog
from vault.rotation.consumers.evidence_type import Evidence, Proof, describe_time
from vault.rotation.consumers.kv_log_evidence import (
    evidence_by_log,
    evidence_by_time,
    readers_of_old_versions,
)
from vault.rotation.consumers.kv_metric_evidence import evidence_by_metric, observation_time
from vault.rotation.consumers.promotion import Promotion
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item
from vault.rotation.live_tokens import live_tokens
from vault.rotation.record import Record

_NOT_LOOKED_UP: Final = "whether the tokens of those that it waits for are valid was not looked up"
_NO_READERS: Final = "no audit log was read, so that who has read the old value is not known"


def observe(
    context: RotationContext,
    item: Item,
    retire_after: int,
    record: Record,
    versions: Mapping[str, int],
) -> Evidence:
    """Return what is known of the consumers of the API paths in *versions*.

    Nothing that cannot be read keeps a compromised value alive.
    """
    promotion = _read_promotion(context, item, retire_after, record, versions)
    try:
        return _observe(context, item, promotion, is_compromised=record.is_compromised)
    except (StrongroomError, OSError) as error:
        if not record.is_compromised:
            raise
        return Evidence(Proof.NONE, notes=(f"who read the old value is not known: {error}",))


def _read_promotion(
    context: RotationContext,
    item: Item,
    retire_after: int,
    record: Record,
    versions: Mapping[str, int],
) -> Promotion:
    promoted, kv = record.promoted or context.clock(), context.mounts.kv
    found = {
        path: read_data(context.session, metadata_path(path.removeprefix(data_path("", kv)), kv))
        for path in versions
    }
    metadata = found.get(data_path(item.server_name, kv)) or {}
    new = (metadata.get("versions") or {}).get(record.new) or {}
    return Promotion(
        _time(new) or promoted,
        versions,
        _time(metadata) or promoted,
        context.declared.agent.render_interval,
        retire_after,
        is_rendered=context.declaration.service(item.service or "").config is not None,
        local_time=promoted,
        kept={path: _kept(each) for path, each in found.items() if each is not None},
    )


def _kept(metadata: Mapping[str, Any]) -> frozenset[int]:
    """Return the versions that are not destroyed. The server forgets destroyed ones in the end."""
    versions = (metadata.get("versions") or {}).items()
    return frozenset(int(number) for number, each in versions if not each["destroyed"])


def _observe(
    context: RotationContext, item: Item, promotion: Promotion, *, is_compromised: bool
) -> Evidence:
    log = context.read_log(tuple(promotion.versions))
    if log is None or log.first is None:
        evidence = _observe_metrics(context, item, promotion) or evidence_by_time(promotion)
        return (
            replace(evidence, notes=(*evidence.notes, _NO_READERS)) if is_compromised else evidence
        )
    evidence = evidence_by_log(promotion, log, context.operators, context.clock())
    if evidence.waiting:
        evidence = _look_up(context, promotion, log, evidence)
    if not is_compromised:
        return evidence
    readers = tuple(readers_of_old_versions(promotion.versions, log))
    since = f"the log begins at {describe_time(log.first)}; earlier reads are not in it"
    return replace(evidence, readers=readers, notes=(*evidence.notes, since))


def _look_up(
    context: RotationContext, promotion: Promotion, log: ConsumerLog, evidence: Evidence
) -> Evidence:
    """Return *evidence* without the tokens that the server does not know any more."""
    if not context.lists_tokens:
        return replace(evidence, notes=(*evidence.notes, _NOT_LOOKED_UP))
    try:
        live = {
            (find_role(each["meta"] or {}), int(each["creation_time"]))
            for each in live_tokens(context.session)
        }
    except StrongroomError as error:
        return replace(evidence, notes=(*evidence.notes, f"{_NOT_LOOKED_UP}: {error}"))
    return evidence_by_log(promotion, log, context.operators, context.clock(), live)


def _observe_metrics(context: RotationContext, item: Item, promotion: Promotion) -> Evidence | None:
    """Return what metrics show, None if there are none."""
    scope = Scope(item.service or "", context.environment)
    folder = data_path(f"{scope.service}/{scope.environment}/", context.mounts.kv)
    wanted = {path.removeprefix(folder): each for path, each in promotion.versions.items()}
    if not all(path.startswith(folder) for path in promotion.versions):
        return None  # because the SDK shows the versions of the service's secrets only
    metrics = context.read_metrics(wanted, observation_time(promotion, context.clock()))
    if metrics is None:
        return None
    return evidence_by_metric(
        promotion, metrics.of(scope), wanted, is_delivered=promotion.is_rendered
    )


def _time(metadata: Mapping[str, Any]) -> datetime | None:
    """Return when the server created a secret or a version, None if it does not say so."""
    return parse_time(metadata["created_time"]) if "created_time" in metadata else None
