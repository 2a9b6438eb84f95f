"""Delivery of one rendered file to an application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from app_integration._internal.private_file import stamp
from app_integration.config.delivery_status import Status, read_status

EXEC_TIMEOUT: Final = 30  # seconds for the command; its own deadline is shorter


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivery of one rendered file to an application.

    Attributes:
        template: The compiled template.
        staging: The path that the agent renders to.
        live: The path that the application reads.
        model: The model ``package.module:Class`` that validates the file before it goes live.

    """

    template: Path
    staging: Path
    live: Path
    model: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the delivery in parsed JSON, see :meth:`to_json`.

        Raises:
            KeyError: If a key is missing. It names the key.

        """
        return cls(
            template=Path(data["template"]),
            staging=Path(data["staging"]),
            live=Path(data["live"]),
            model=data["model"],
        )

    def to_json(self) -> dict[str, str]:
        """Return a JSON object that :meth:`from_json` reads."""
        return {
            "template": str(self.template),
            "staging": str(self.staging),
            "live": str(self.live),
            "model": self.model,
        }

    def command(self, python: Path) -> list[str]:
        """Return the command that delivers the file.

        Args:
            python: The application's interpreter, which runs in the folder of its model.

        """
        arguments = ["--staging", str(self.staging), "--live", str(self.live)]
        program = [str(python), "-m", "app_integration", "deliver"]
        return [*program, *arguments, "--model", self.model, "--never-fail"]

    def read_outcome(self) -> Status | None:
        """Return the status of the file that is staged now; None if it was not delivered yet.

        A command that an earlier agent started may still write the status of an earlier file.
        """
        status, staged = read_status(self.live), stamp(self.staging)
        return status if status and staged and status.staged == staged else None
