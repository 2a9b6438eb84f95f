"""Decision whether the consumers of a secret have moved, by the metric of the SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from vault.rotation.consumers.evidence import Consumer, Evidence, Proof
from vault.rotation.consumers.kv_log import Promotion
from vault.rotation.consumers.version_metrics import Sample, VersionMetrics

_ALWAYS: Final = (
    "the metric shows what a process has fetched last, and not that it uses it; a process that "
    "Prometheus does not scrape, or whose SDK has no such metric, is not seen"
)
_DELIVERED: Final = "the agent delivers a file to the service, and no metric shows its versions"


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

    Args:
        promotion: The promotion.
        metrics: The samples of the service and environment.
        wanted: Name of a secret → the version that consumers must have fetched.
        is_delivered: Whether the agent delivers a file to the service.

    """
    current = [each for each in metrics.current if each.secret in wanted]
    earlier = [each for each in metrics.earlier if each.secret in wanted]
    if not current and not earlier:
        return None
    groups: dict[str, set[Consumer]] = {"moved": set(), "waiting": set()}
    for each in current:
        is_moved = each.version >= wanted[each.secret]
        detail = f"has version {each.version} of {each.secret}"
        groups["moved" if is_moved else "waiting"].add(Consumer(each.identity, detail))
    unknown = [*_find_gone(current, earlier, wanted), *_find_down(metrics.down)]
    unknown += [_DELIVERED] if is_delivered else []
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


def _find_gone(
    current: list[Sample], earlier: list[Sample], wanted: Mapping[str, int]
) -> Iterator[str]:
    """Yield a note for each target whose last sample was an older version."""
    shown = {(each.secret, each.target) for each in current}
    for each in sorted(earlier, key=lambda sample: (sample.identity, sample.secret)):
        if (each.secret, each.target) not in shown and each.version < wanted[each.secret]:
            yield (
                f"{each.identity} had version {each.version} of {each.secret}, and has no sample "
                "now: it has ended, or is not scraped"
            )


def _find_down(down: tuple[Sample, ...]) -> Iterator[str]:
    for identity in sorted({each.identity for each in down}):
        yield f"{identity} is down, so that its version is unknown"
