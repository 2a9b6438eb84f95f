"""Record that ``up`` writes of what it started, for ``status``, which loads no declaration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from app_integration._internal.private_file import write_private
from local.layout import Layout


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """Parts that have no process of the deployment."""

    own_databases: tuple[tuple[str, int], ...] = ()
    configs: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, layout: Layout) -> Self | None:
        """Return the record of the last ``up``, None if that failed or left none that is valid."""
        try:
            # Each up writes the name of the runtime first.
            if layout.status_record.stat().st_mtime_ns < layout.runtime.stat().st_mtime_ns:
                return None
            fields = json.loads(layout.status_record.read_text(encoding="utf-8"))
            databases = tuple((str(host), int(port)) for host, port in fields["own_databases"])
            return cls(databases, {name: str(file) for name, file in fields["configs"].items()})
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def write(self, layout: Layout) -> None:
        """Store the record of this ``up``."""
        write_private(layout.status_record, json.dumps(asdict(self)))
