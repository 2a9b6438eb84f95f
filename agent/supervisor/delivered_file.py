"""File that an agent renders, and that its supervisor delivers to an application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from agent.rendered_file import RenderedFile
from app_integration._internal.private_file import stamp
from app_integration.config.application_page import check_url
from app_integration.config.confirmation import SETTLE, WITHIN, Health
from app_integration.config.delivery_status import Status, read_status
from app_integration.config.reload import Reload

#: What the application must show if its service declares nothing else.
_HEALTH: Final = Health(None, WITHIN, SETTLE, is_needed_before=True)


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """File that an agent renders, and that its supervisor delivers to an application."""

    template: Path
    staging: Path
    live: Path
    model: str
    reload: Reload = field(default_factory=Reload)
    health: Health = _HEALTH

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the file in parsed JSON, see :meth:`to_json`."""
        return cls(
            template=Path(data["template"]),
            staging=Path(data["staging"]),
            live=Path(data["live"]),
            model=data["model"],
            reload=Reload.parse(data.get("reload", Reload().text)),
            health=replace(
                _HEALTH,
                url=None if data.get("health") is None else check_url(data["health"]),
                within=float(data.get("within", _HEALTH.within)),
                settle=float(data.get("settle", _HEALTH.settle)),
            ),
        )

    def to_json(self) -> dict[str, str | float | None]:
        """Return a JSON object that :meth:`from_json` reads."""
        return {
            "template": str(self.template),
            "staging": str(self.staging),
            "live": str(self.live),
            "model": self.model,
            "reload": self.reload.text,
            "health": self.health.url,
            "within": self.health.within,
            "settle": self.health.settle,
        }

    @property
    def rendered(self) -> RenderedFile:
        """Return what the agent renders."""
        return RenderedFile(self.template, self.staging)

    def read_outcome(self) -> Status | None:
        """Return the status of the file that is staged now; None if it was not delivered yet."""
        status, staged = read_status(self.live), stamp(self.staging)
        return status if status and staged and status.staged == staged else None
