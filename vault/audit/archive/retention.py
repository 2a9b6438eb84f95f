"""Which segments were kept long enough."""

from __future__ import annotations

from datetime import datetime, timedelta

from vault.audit.archive.chain import Chain
from vault.audit.archive.entry import Segment


def find_expired(chain: Chain, now: datetime, keep: timedelta) -> tuple[Segment, ...]:
    """Return the segments whose last line is older than *keep*, and that are not deleted yet.

    The newest segment of each log stays, because the archive of a log is never empty then.

    Args:
        chain: The chain.
        now: Current time.
        keep: Time for which a segment is kept.

    """
    deleted = chain.deleted
    newest = {segment.log: segment.sequence for segment in chain.segments}
    return tuple(
        segment
        for segment in chain.segments
        if segment.newest < now - keep
        and segment.sequence not in deleted
        and segment.sequence != newest[segment.log]
    )
