"""Journal of a bootstrap, which lets the next run complete what a killed one has begun."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from app_integration._internal.input_file import read_input
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Journal:
    """What a bootstrap has begun.

    *accessors* are those of root tokens, which must be revoked: one for each run that got another.
    It *is_ended* if they are, and all credentials were handed over.
    """

    cluster: str
    accessors: tuple[str, ...]
    is_ended: bool = False

    def save(self, file: Path) -> None:
        """Write the journal to *file*. It contains no secret."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, f"{json.dumps(asdict(self))}\n")

    def check_cluster(self, cluster: str, file: Path) -> None:
        """Check that the journal is about the server with the id *cluster*."""
        if cluster != self.cluster:
            raise ConfigurationError(
                f"{file} is about another server, whose bootstrap is incomplete; pass its address, "
                "or another folder. Nothing was changed"
            )


def load(file: Path) -> Journal | None:
    """Return the journal in *file*, or None if there is none."""
    try:
        content = json.loads(read_input(file))
        ended = content.get("is_ended", False)
        return Journal(content["cluster"], tuple(content["accessors"]), ended)
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError):
        raise ConfigurationError(
            f"{file} is not the journal of a bootstrap; move it away, and revoke the token that "
            "that run got"
        ) from None
