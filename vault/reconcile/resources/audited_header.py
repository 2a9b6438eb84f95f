"""Headers of requests that the server has in its audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

from app_integration._internal.tracing import HEADER
from app_integration.errors import ConfigurationError, RequestRefused
from app_integration.session.session import Session
from vault.reconcile.resources import Fields, ReadSession, read_data

#: API path of the headers. Their values are HMACs in the audit log, unless ``hmac`` is false.
PATH: Final = "sys/config/auditing/request-headers"


@dataclass(frozen=True, slots=True)
class AuditedHeader:
    """A header whose values the audit log has in plain: by default, that with the trace id."""

    kind: ClassVar[str] = "audited-header"
    depends_on: ClassVar[tuple[str, ...]] = ()

    name: str = HEADER

    def desired(self) -> Fields:
        """Return that values are no HMACs."""
        return {"hmac": False}

    def read(self, reader: ReadSession) -> Fields | None:
        """Return whether values are HMACs, None if the header is not in the audit log."""
        headers = _read_headers(reader)
        # A header that is asked for by its own path is a 400 if it is absent, and not a 404.
        found = {name.lower(): config for name, config in headers.items()}.get(self.name.lower())
        return None if found is None else {"hmac": found["hmac"]}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Have the header in the audit log from now on."""
        session.post(f"{PATH}/{self.name}", self.desired())


def _read_headers(reader: ReadSession) -> Mapping[str, Any]:
    try:
        return (read_data(reader, PATH) or {}).get("headers") or {}
    except RequestRefused as refused:
        if refused.status != HTTPStatus.BAD_REQUEST:
            raise
        raise ConfigurationError(
            "vault.audit_trace_ids: the headers in the audit log belong to the root namespace;"
            " remove the key; declare it in the deployment that manages the root namespace"
        ) from None
