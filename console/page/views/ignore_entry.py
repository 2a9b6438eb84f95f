"""Entry of the rules file that tells a rule to leave out what somebody has looked at."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Final

from vault.audit.anomalies.finding import Finding

#: Time after which an entry ends, so that it is looked at again.
_DAYS: Final = timedelta(days=30)
#: Characters that a pattern must not have.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_MOST: Final = 200


def build_ignore_entry(finding: Finding, now: datetime) -> str:
    """Return the entry, in YAML, with which *finding* is not found again.

    Args:
        finding: The finding.
        now: The current time.

    """
    paths = {each.path for each in finding.evidence if each.path}
    path = paths.pop() if len(paths) == 1 else "*"
    lines = (
        "ignore:",
        f"  - rule: {finding.rule}",
        f"    actor: {_quote(finding.actor)}",
        f"    path: {_quote(path)}",
        '    reason: "why it is harmless"',
        f"    until: {json.dumps(f'{now + _DAYS:%Y-%m-%d}')}",
    )
    return "\n".join(lines)


def _quote(text: str) -> str:
    """Return *text* as a pattern in YAML, with ``*`` where it has what a pattern must not have."""
    pattern = _CONTROL.sub("*", text)
    if len(pattern) > _MOST:
        pattern = f"{pattern[: _MOST - 1]}*"
    return json.dumps(pattern, ensure_ascii=False)
