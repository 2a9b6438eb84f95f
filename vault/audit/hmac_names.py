"""Names behind HMACs of the log, as long as their audit device can still be asked.

Each device has a salt of its own. A device that is removed loses it, and one that is enabled again
under the same name has another: a new epoch. What was resolved before stays known.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from app_integration._internal import formats
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError, RequestRefused
from app_integration.permissions import need
from app_integration.session.session import Session

FILE: Final = "names.json"
#: A text whose HMAC tells the epochs of a device apart.
PROBE: Final = "strongroom epoch"


@dataclass(frozen=True, slots=True)
class Name:
    """A text that the log has as an HMAC only, such as a database user or an accessor.

    *epoch* counts the salts of the device, from 0.
    """

    device: str
    epoch: int
    hash: str
    name: str


@dataclass(slots=True)
class Names:
    """The names of a store."""

    folder: Path
    epochs: dict[str, list[str]] = field(default_factory=dict)
    known: dict[tuple[str, str], Name] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Names:
        """Return the names of a store, none for a new one."""
        path = folder / FILE
        try:
            document = json.loads(path.read_bytes())
            refusal = formats.AUDIT_STORE.describe_refusal(document.get("format"))
            if refusal is None:
                names = [Name(**each) for each in document["names"]]
                known = {(each.device, each.hash): each for each in names}
                return cls(folder, dict(document["epochs"]), known)
        except FileNotFoundError:
            return cls(folder)
        except (ValueError, TypeError, LookupError, AttributeError):
            refusal = "has no names of a store; remove it"
        raise ConfigurationError(f"{path} {refusal}")

    def save(self) -> None:
        """Replace the file, which only its owner reads."""
        document = {
            "format": formats.AUDIT_STORE.current,
            "epochs": self.epochs,
            "names": [asdict(each) for each in self.known.values()],
        }
        write_private(self.folder / FILE, json.dumps(document, indent=1))

    def note_epoch(self, session: Session, device: str) -> int | None:
        """Return the current epoch of a device, None if the server does not have the device."""
        probe = _hash(session, device, PROBE)
        if probe is None:
            return None
        epochs = self.epochs.setdefault(device, [])
        if probe not in epochs:
            epochs.append(probe)
        return epochs.index(probe)

    def resolve(self, session: Session, devices: Iterable[str], names: Collection[str]) -> None:
        """Ask each device for the HMACs of *names*, and remember them."""
        for device in devices:
            epoch = self.note_epoch(session, device)
            if epoch is None:
                continue
            known = {e.name for e in self.known.values() if (e.device, e.epoch) == (device, epoch)}
            for name in sorted(set(names) - known):
                found = _hash(session, device, name)
                if found is not None:
                    self.known[device, found] = Name(device, epoch, found, name)


def _hash(session: Session, device: str, text: str) -> str | None:
    """Return the HMAC of *text* by the salt of a device, None if there is no such device."""
    try:
        response = session.post(need("hash-for-audit", device).path, {"input": text})
    except RequestRefused:
        return None  # "unknown audit backend"
    found = response["data"]["hash"]
    return found if isinstance(found, str) else None
