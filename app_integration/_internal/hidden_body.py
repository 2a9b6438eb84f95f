"""Body of a request or response that no traceback shows."""

from __future__ import annotations

from typing import Any


class HiddenBody(dict[str, Any]):
    """A body whose ``repr`` is empty, because a traceback may show local variables."""

    def __repr__(self) -> str:
        return "{…}"
