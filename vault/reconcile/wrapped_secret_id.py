"""Response-wrapped secret-id in a file: whether it can still be opened, and its opening.

The file contains a wrapping token. The first client that opens it gets the secret-id, and nobody
can open it again. That is how a receiver notices that another client was faster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app_integration._internal.input_file import read_input
from app_integration._internal.private_file import write_private
from app_integration.auth.credential_file import read_credential
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConfigurationError,
    CredentialStolen,
    RequestRefused,
    ServerError,
)
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.transport import payloads

#: Name of the file, in the folder of the ``role-id``.
FILE: Final = "wrapped-secret-id"

_LOOKUP: Final = "sys/wrapping/lookup"
_UNWRAP: Final = "sys/wrapping/unwrap"


def is_valid(session: Session, folder: Path, endpoint: str) -> bool:
    """Return whether the file in *folder* can still be opened. This does not open it."""
    file = folder / FILE
    if not file.exists():
        return False
    token = Secret(read_input(file).decode().strip())
    try:
        return _look_up(session, token) == endpoint
    except (RequestRefused, AccessDenied):
        return False


def read(folder: Path, endpoint: str) -> Secret:
    """Return the wrapping token in *folder*."""
    file = folder / FILE
    if not file.exists():
        raise ConfigurationError(
            f"{file} does not exist: it was opened before, or was not handed over. If its opening "
            f"was interrupted, the secret-id is lost; {_replacement(endpoint)}"
        )
    return read_credential(file, "the wrapping token")


def open_file(session: Session, token: Secret, folder: Path, endpoint: str) -> None:
    """Replace the file in *folder* by the ``secret-id`` that it wraps.

    The file is removed first, because its token is used up by the next request, even if the
    response is lost.
    """
    file = folder / FILE
    _check_origin(session, token, file, endpoint)
    file.unlink()
    try:
        secret_id = payloads.parse_text(session.post(_UNWRAP, retry=False), _UNWRAP, "secret_id")
        write_private(folder / "secret-id", secret_id)
    except (RequestRefused, AccessDenied, AuthenticationFailed):
        raise _stolen(file, "another client opened it at the same time", endpoint) from None
    except (ServerError, OSError, KeyboardInterrupt) as error:
        if isinstance(error, ServerError) and error.not_sent:
            write_private(file, token)
            raise
        reason = str(error) or "interrupted"
        raise AuthenticationFailed(
            f"the secret-id in {file} was opened, but is lost ({reason}); {_replacement(endpoint)}"
        ) from None


def _look_up(session: Session, token: Secret) -> str:
    """Return the API path that created a wrapping token. The server needs no login for that."""
    response = session.post(_LOOKUP, {"token": token})
    return payloads.parse_text(response, _LOOKUP, "creation_path")


def _check_origin(session: Session, token: Secret, file: Path, endpoint: str) -> None:
    try:
        origin = _look_up(session, token)
    except RequestRefused:
        reason = (
            f"{session.address} does not know it. If it was issued on another server, repeat the "
            "command with the environment of that one, and destroy nothing. Otherwise, it was "
            "opened before, or it expired"
        )
        raise _stolen(file, reason, endpoint) from None
    if origin != endpoint:
        reason = f"it was created at {origin[:200]!r} and not at {endpoint}"
        raise _stolen(file, reason, endpoint)


def _stolen(file: Path, reason: str, endpoint: str) -> CredentialStolen:
    return CredentialStolen(
        f"the wrapping token in {file} is invalid: {reason}. If that was not you, another client "
        "may have the secret-id. As an operator, look in the server's audit log for the client "
        f"that sent it to {_UNWRAP}; destroy the secret-ids that 'bao list {endpoint}' lists, each "
        f"with 'bao write {endpoint}-accessor/destroy secret_id_accessor=…'; then "
        f"{_replacement(endpoint)}"
    )


def _replacement(endpoint: str) -> str:
    """Return how an operator issues another one."""
    return (
        f"issue another: 'bao write -force -wrap-ttl=24h -field=wrapping_token {endpoint} > {FILE}'"
    )
