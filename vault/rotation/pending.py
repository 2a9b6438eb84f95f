"""A new value between its creation and its promotion, in an entry that no service can read.

Before there is one, the entry says that a run creates it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from app_integration.errors import ConfigurationError, RequestRefused, StrongroomError
from app_integration.names import VALUE_KEY
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.reconcile.resources import read_data
from vault.reconcile.resources.kv import (
    data_path,
    destroy_versions,
    find_no_value,
    metadata_path,
    write_fields,
)
from vault.reconcile.server_time import parse_time
from vault.rotation.consumers.evidence_type import describe_time
from vault.rotation.hooks import TIMEOUT

_ID: Final = "rotation"
_CREATED_FOR: Final = "created_for"
#: How long a run may create a value. A hook is killed after a shorter time.
_CREATION: Final = timedelta(seconds=TIMEOUT + 60)


@dataclass(frozen=True, slots=True)
class PendingValue:
    """The pending value of one rotation."""

    session: Session
    path: str
    mount: str

    @contextmanager
    def claim(self, rotation: str, now: datetime) -> Iterator[None]:
        """Let no other run create a value for the rotation with the id *rotation* in this block.

        Two creations at the same time could each make a value, and the system would accept another
        one than that which is stored. The claim of a killed run ends by its age.
        """
        metadata = read_data(self.session, metadata_path(self.path, self.mount)) or {}
        version = metadata.get("current_version") or 0
        found = {} if find_no_value(metadata, now) else self._fields()
        if found.get(_CREATED_FOR) == rotation:
            end = (self.written(now) or now) + _CREATION
            if now < end:
                raise self._claimed(f"after {describe_time(end)}")
        if found.get(_ID) != rotation:
            self._write_claim(rotation, version)
        try:
            yield
        finally:
            with suppress(StrongroomError):  # it ends by its age then
                if self._fields().get(_CREATED_FOR) == rotation:
                    self.destroy()

    def _write_claim(self, rotation: str, version: int) -> None:
        try:
            fields = {_CREATED_FOR: rotation}
            write_fields(self.session, self.path, fields, cas=version, mount=self.mount)
        except RequestRefused as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            raise self._claimed("in a moment") from None

    def _claimed(self, when: str) -> ConfigurationError:
        return ConfigurationError(
            f"another run creates the new value of the rotation in {self.path}; run the command "
            f"again {when}, or if that run was killed, end the rotation with --undo, which all "
            "kinds but a root user have"
        )

    def _fields(self) -> dict[str, str]:
        data = read_data(self.session, data_path(self.path, self.mount))
        return (data or {}).get("data") or {}

    def read(self, rotation: str) -> Secret | None:
        """Return the value, None if the rotation with the id *rotation* has none."""
        found = self._fields()
        if found.get(_ID) != rotation:
            return None
        value = Secret(found[VALUE_KEY])
        redaction.live.add(value)
        return value

    def require(self, rotation: str) -> Secret:
        """Return the value."""
        value = self.read(rotation)
        if value is None:
            raise ConfigurationError(
                f"the new value of the rotation in {self.path} does not exist any more; undo the "
                "rotation with --undo, and begin it again"
            )
        return value

    def written(self, now: datetime) -> datetime | None:
        """Return when the value was written, by the server's clock, None if there is none."""
        metadata = read_data(self.session, metadata_path(self.path, self.mount)) or {}
        if find_no_value(metadata, now):
            return None
        return parse_time(metadata["versions"][str(metadata["current_version"])]["created_time"])

    def write(self, rotation: str, value: Secret) -> None:
        """Store *value* for the rotation with the id *rotation*."""
        redaction.live.add(value)
        body = {"data": {VALUE_KEY: value.reveal(), _ID: rotation}}
        self.session.post(data_path(self.path, self.mount), body, retry=False)

    def destroy(self) -> None:
        """Destroy all versions of the value; the record stays."""
        destroy_versions(self.session, self.path, self.mount)
