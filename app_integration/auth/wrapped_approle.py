"""AppRole with a response-wrapped secret-id: the file holds a wrapping token for single use.

The first client that unwraps it gets the secret-id. An invalid wrapping token is therefore no
ordinary error: another client may have unwrapped it before.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Final

from app_integration.auth.credential_file import content_stamp, read_credential
from app_integration.auth.methods import AuthMethod, Send, Token, log_in
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    CredentialStolen,
    RequestRefused,
    ServerError,
)
from app_integration.names import APPROLE_MOUNT
from app_integration.observability import metrics
from app_integration.secret import Secret
from app_integration.transport import payloads

log = logging.getLogger(__name__)

#: Errors that the server returns for a wrapping token that is invalid.
_REJECTED: Final = (RequestRefused, AccessDenied)


class WrappedAppRole(AuthMethod):
    """AppRole with a wrapped secret-id, which is unwrapped once and then kept in memory.

    If the file is written again, the next request unwraps it and logs in with the new secret-id.
    """

    __slots__ = (
        "_file",
        "_last_stamp",
        "_mount",
        "_role",
        "_role_id_file",
        "_secret_id",
        "_theft_report",
    )

    def __init__(
        self, role: str, role_id_file: Path, wrapping_file: Path, mount: str = APPROLE_MOUNT
    ) -> None:
        """Read nothing yet; *wrapping_file* is removed when its token is used."""
        self._role = role
        self._role_id_file = role_id_file
        self._file = wrapping_file
        self._mount = mount
        self._secret_id: Secret | None = None
        self._last_stamp: tuple[int, ...] | None = None  # of the last file that was used up
        self._theft_report = ""  # the message about the last wrapping token, if it was invalid

    @property
    def hint(self) -> str:
        """Return the advice that follows in the error when the server rejects the login."""
        return (
            "the role-id or the unwrapped secret-id is wrong, expired or used up: issue a new"
            f" wrapped secret-id into {self._file}"
        )

    def login(self, send: Send) -> Token:
        """Log in at ``auth/approle/login``; unwrap the secret-id first if the file exists.

        After a wrapping token that is invalid, or wraps another response, each login raises
        CredentialStolen until the file is written again.
        """
        role_id = read_credential(self._role_id_file, "STRONGROOM_ROLE_ID_FILE")
        if self._file.exists():
            self._secret_id, self._theft_report = None, ""
            found = content_stamp(self._file)
            try:
                self._secret_id = self._unwrap(send)
            except AuthenticationFailed:
                self._last_stamp = found  # because the wrapping token is used up or invalid
                raise
            self._last_stamp = found
        if self._theft_report:
            raise CredentialStolen(self._theft_report)
        if self._secret_id is None:
            raise AuthenticationFailed(
                f"{self._file} (STRONGROOM_SECRET_ID_FILE) holds no wrapped secret-id, and none was"
                " unwrapped before: issue a new one for each start"
            )
        body = {"role_id": role_id, "secret_id": self._secret_id}
        return log_in(send, self._mount, body)

    def has_new_credential(self) -> bool:
        """Return whether the file has a wrapping token that was not used up yet."""
        found = content_stamp(self._file)
        return found is not None and found != self._last_stamp

    def _unwrap(self, send: Send) -> Secret:
        value = read_credential(self._file, "STRONGROOM_SECRET_ID_FILE")
        wrapping = Token(value, ttl=0.0, renewable=False)
        self._check_origin(send, wrapping)
        # Remove the file first, because the token is used up by the next request even if its
        # response is lost.
        self._remove()
        try:
            path = "sys/wrapping/unwrap"
            secret_id = payloads.parse_text(
                send("POST", path, {}, token=wrapping), path, "secret_id"
            )
        except _REJECTED:
            raise self._report_theft("the server rejected it when it was unwrapped") from None
        except ServerError as error:
            if not error.not_sent:
                log.error("the response to unwrapping a secret-id was lost: %s", error)  # noqa: TRY400 (no traceback: the message says enough)
            raise AuthenticationFailed(
                f"the secret-id was not unwrapped ({error}), and unwrapping is never tried twice;"
                f" issue a new wrapped secret-id into {self._file}"
            ) from None
        metrics.get_recorder().record_operation("unwrapping", metrics.OK)
        return Secret(secret_id)

    def _check_origin(self, send: Send, wrapping: Token) -> None:
        """Check that the token wraps a response of this role's secret-id endpoint."""
        try:
            path = "sys/wrapping/lookup"
            response = send("POST", path, {"token": wrapping.value})
        except _REJECTED:
            raise self._report_theft(
                "the server does not know it: it was already used, or it expired"
            ) from None
        origin = payloads.parse_text(response, path, "creation_path")
        expected = f"auth/{self._mount}/role/{self._role}/secret-id"
        if origin != expected:
            raise self._report_theft(f"it was created at {origin[:200]!r} and not at {expected}")

    def _report_theft(self, reason: str) -> CredentialStolen:
        self._remove()
        self._theft_report = (
            f"the wrapping token in {self._file} is invalid: {reason}. Treat the secret-id as"
            f" stolen: destroy the secret-ids of the role {self._role}, look in the server's audit"
            " log for the client that unwrapped it, and issue a new one"
        )
        log.critical("possible theft: %s", self._theft_report)
        metrics.get_recorder().record_operation("unwrapping", CredentialStolen.__name__)
        return CredentialStolen(self._theft_report)

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            try:
                self._file.unlink()
            except PermissionError:
                log.warning(
                    "%s cannot be removed; it holds a used wrapping token, remove it", self._file
                )
