"""Decision whether the consumers of a secret have moved, by the metric of the SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from vault.rotation.consumers.evidence_type import Consumer, Evidence, Proof
from vault.rotation.consumers.promotion import Promotion
from vault.rotation.consumers.version_metrics import Sample, VersionMetrics

_ALWAYS: Final = (
    "the metric shows what a process has fetched or loaded last, and not that it uses it; a "
    "process that Prometheus does not scrape, or whose SDK has no such metric, is not seen"
)
_DELIVERED: Final = "the agent delivers a file to the service, and no metric shows its versions"
_GONE: Final = "has no sample now: it has ended, or is not scraped"


def evidence_by_metric(
    promotion: Promotion,
    metrics: VersionMetrics,
    wanted: Mapping[str, int],
    *,
    is_delivered: bool,
) -> Evidence | None:
    """Return which targets show the new versions, None if no target shows any.

    A target that is not scraped any more, or does not respond, may still use the old value. Nobody
    can tell, so that the time bound applies too.
    """
    current = [each for each in metrics.current if each.secret in wanted]
    earlier = [each for each in metrics.earlier if each.secret in wanted]
    if not current and not earlier:
        return None
    groups: dict[str, set[Consumer]] = {"moved": set(), "waiting": set()}
    for each in (sample for sample in current if sample.is_known):
        group = "moved" if each.version >= wanted[each.secret] else "waiting"
        groups[group].add(Consumer(each.identity, f"has {_name(each)}"))
    unknown = [*_find_gone(current, earlier, wanted), *_find_down(metrics.down)]
    unknown += _find_unknown_files(current, earlier, is_delivered=is_delivered)
    if unknown:
        unknown.append(
            f"so the time bound applies too: {promotion.window_text} after the promotion"
        )
    return Evidence(
        Proof.METRIC,
        moved=tuple(sorted(groups["moved"], key=str)),
        waiting=tuple(sorted(groups["waiting"], key=str)),
        not_before=promotion.time_bound if unknown else None,
        grace=promotion.grace,
        notes=(_ALWAYS, *unknown),
    )


def observation_time(promotion: Promotion, now: datetime) -> timedelta:
    """Return the time before *now* in which a target that showed the old value counts."""
    return max(now - promotion.time, timedelta()) + promotion.window


def _name(sample: Sample) -> str:
    place = " in its file" if sample.is_file else ""
    return f"version {sample.version} of {sample.secret}{place}"


def _find_gone(
    current: list[Sample], earlier: list[Sample], wanted: Mapping[str, int]
) -> Iterator[str]:
    """Yield a note for each target whose last sample was an older version."""
    shown = {(each.secret, each.is_file, each.target) for each in current}
    for each in sorted(earlier, key=lambda sample: (sample.identity, sample.secret)):
        is_gone = (each.secret, each.is_file, each.target) not in shown
        if is_gone and each.is_known and each.version < wanted[each.secret]:
            yield f"{each.identity} had {_name(each)}, and {_GONE}"


def _find_down(down: tuple[Sample, ...]) -> Iterator[str]:
    for identity in sorted({each.identity for each in down}):
        yield f"{identity} is down, so that its version is unknown"


def _find_unknown_files(
    current: list[Sample], earlier: list[Sample], *, is_delivered: bool
) -> Iterator[str]:
    """Yield a note for each target that may have a file with an unknown version.

    A delivery shows all secrets of a file or none. So a secret that no target shows is in no file,
    if another one of the file is shown. Of a target that is gone, the last samples count.
    """
    scraped = {each.target for each in current}
    seen = [*current, *(each for each in earlier if each.target not in scraped)]
    known = {(each.secret, each.target) for each in seen if each.is_file and each.is_known}
    in_files = {each.secret for each in (*current, *earlier) if each.is_file}
    if is_delivered and not in_files:
        yield _DELIVERED
    targets = {each.target: each.identity for each in seen if is_delivered or each.is_file}
    for target, identity in sorted(targets.items(), key=lambda item: item[1]):
        for secret in sorted(in_files):
            if (secret, target) not in known:
                yield f"{identity} does not show the version of {secret} in its file"
