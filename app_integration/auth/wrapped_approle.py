"""AppRole whose secret-id comes response-wrapped: a token that unwraps once, in a file.

Whoever unwraps first has the secret-id. So a wrapping token that is no longer good when its owner
comes is not an error like another: somebody may have been faster.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Final

from app_integration.auth.methods import AuthMethod, Send, Token, log_in, read_credential
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
from app_integration.transport import answers

log = logging.getLogger(__name__)

#: Errors by which a server says that a wrapping token isn't good.
_NOT_GOOD: Final = (RequestRefused, AccessDenied)


class WrappedAppRole(AuthMethod):
    """AppRole with a wrapped secret-id, which is unwrapped once and then held in memory.

    A file that is put in place anew is unwrapped at the next login and takes the other's place.
    """

    __slots__ = ("_file", "_mount", "_role", "_role_id_file", "_secret_id", "_stolen")

    def __init__(
        self, role: str, role_id_file: Path, wrapping_file: Path, mount: str = APPROLE_MOUNT
    ) -> None:
        """Args: *role* is the one whose secret-id must have been wrapped."""
        self._role = role
        self._role_id_file = role_id_file
        self._file = wrapping_file
        self._mount = mount
        self._secret_id: Secret | None = None
        self._stolen = ""  # what was said of the last wrapping token, when it was not good

    @property
    def hint(self) -> str:
        """What to do."""
        return (
            "the role-id or the unwrapped secret-id is wrong, expired or used up: issue a new"
            f" wrapped secret-id into {self._file}"
        )

    def login(self, send: Send) -> Token:
        """Log in at ``auth/approle/login``, unwrapping the secret-id first when there is a file.

        Raises:
            CredentialStolen: the wrapping token isn't good, or wraps something else. It is never
                tried again.
            AuthenticationFailed: no secret-id is left, or the answer to the unwrapping was lost.

        """
        role_id = read_credential(self._role_id_file, "STRONGROOM_ROLE_ID_FILE")
        if self._file.exists():
            self._secret_id, self._stolen = None, ""
            self._secret_id = self._unwrapped(send)
        if self._stolen:
            raise CredentialStolen(self._stolen)
        if self._secret_id is None:
            raise AuthenticationFailed(
                f"{self._file} (STRONGROOM_SECRET_ID_FILE) holds no wrapped secret-id, and none was"
                " unwrapped before: issue one; each start needs its own"
            )
        body = {"role_id": role_id, "secret_id": self._secret_id}
        return log_in(send, self._mount, body)

    def has_new_credential(self) -> bool:
        """Whether a wrapped secret-id lies ready after the last one was not good."""
        return bool(self._stolen) and self._file.exists()

    def _unwrapped(self, send: Send) -> Secret:
        value = read_credential(self._file, "STRONGROOM_SECRET_ID_FILE")
        wrapping = Token(value, ttl=0.0, renewable=False)
        self._check_origin(send, wrapping)
        # Gone before it is used: from here on it is spent, whatever becomes of the answer.
        self._remove()
        try:
            path = "sys/wrapping/unwrap"
            secret_id = answers.text(send("POST", path, {}, token=wrapping), path, "secret_id")
        except _NOT_GOOD:
            raise self._alarm("it was refused at the unwrapping") from None
        except ServerError as error:
            if not error.not_sent:
                log.error("the answer to the unwrapping of a secret-id was lost: %s", error)  # noqa: TRY400 (no traceback: it says it all)
            raise AuthenticationFailed(
                f"the secret-id wasn't unwrapped, and isn't tried twice ({error}); issue a new"
                f" wrapped one into {self._file}"
            ) from None
        metrics.current().record_operation("unwrapping", metrics.OK)
        return Secret(secret_id)

    def _check_origin(self, send: Send, wrapping: Token) -> None:
        """See that the token wraps what this role's secret-id endpoint answered, and not other."""
        try:
            path = "sys/wrapping/lookup"
            answer = send("POST", path, {"token": wrapping.value})
        except _NOT_GOOD:
            raise self._alarm("it is unknown to the server: used by somebody, or expired") from None
        origin = answers.text(answer, path, "creation_path")
        expected = f"auth/{self._mount}/role/{self._role}/secret-id"
        if origin != expected:
            raise self._alarm(f"it comes from {origin[:200]!r} and not from {expected}")

    def _alarm(self, what: str) -> CredentialStolen:
        self._remove()
        self._stolen = (
            f"the wrapping token in {self._file} isn't good: {what}. Treat the secret-id as stolen:"
            f" destroy those of the role {self._role}, look in the server's audit log for who"
            " unwrapped it, and issue a new one"
        )
        log.critical("possible theft: %s", self._stolen)
        metrics.current().record_operation("unwrapping", CredentialStolen.__name__)
        return CredentialStolen(self._stolen)

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            try:
                self._file.unlink()
            except PermissionError:
                log.warning("%s can't be removed; a spent wrapping token stays there", self._file)
