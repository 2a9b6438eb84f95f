"""Errors that the SDK raises.

    StrongroomError
    ├── ConfigurationError          settings, names or files are wrong; nothing was sent
    │   ├── InvalidName             a secret, service or field name outside the grammar
    │   ├── UndeclaredSecret        a name that the application's declaration does not list
    │   └── ConfigRejected          a delivered config file that is invalid
    ├── SecretError                 a secret cannot be read
    │   ├── SecretNotFound          the server holds no value under that name
    │   ├── SecretDeleted           its latest version was deleted or destroyed
    │   ├── AccessDenied            denied or absent: a client cannot distinguish them
    │   ├── WrongType               its value cannot be converted to the requested type
    │   └── SecretsMissing          some secrets required at start-up are missing; lists each
    ├── ServerError                 the server did not answer as expected
    │   ├── Unreachable             no connection, or it was cut
    │   ├── Sealed                  sealed or not initialised
    │   ├── RateLimited             429, a throttled request, or a standby that did not forward
    │   ├── ServerFault             any other 5xx
    │   │   └── UnexpectedAnswer    a response that is not that of a Vault server, or of AWS
    │   ├── DeadlineExceeded        the deadline of the call is over
    │   └── RequestRefused          400, 404 or 405: the request itself is wrong
    ├── AuthenticationFailed        login rejected, or the token is no longer valid
    │   └── CredentialStolen        a wrapped secret-id was unwrapped by another client, or expired
    ├── EncryptionError
    │   ├── InvalidContext          a context that no token can be bound to
    │   ├── DecryptionFailed        opaque: never says which check failed
    │   ├── KeyUnavailable          the data key cannot be wrapped or unwrapped now
    │   ├── IndexKeyLost            rows of a blind index's key are missing, altered or outdated
    │   └── BatchFailed             some items of a batch failed; lists them
    └── AuditFailed                 the access record cannot be written, so nothing was released

A message says what happened, where, and what to do next. It never holds a secret. The exceptions of
libraries are dropped (``from None``), because those of hvac contain response bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn


class StrongroomError(Exception):
    """Base class of all errors; it is never raised itself.

    Attributes:
        is_answer: Whether it is a server's answer, unless it is one of :data:`OUTAGE`. It is none
            if no request was sent.

    """

    is_answer = True


class ConfigurationError(StrongroomError):
    """Wrong settings, names or files; no request was sent."""

    is_answer = False


class InvalidName(ConfigurationError):
    """A name outside the grammar of :mod:`app_integration.names`."""


class UndeclaredSecret(ConfigurationError):
    """A name that the declaration of the application does not list."""


class ConfigRejected(ConfigurationError):
    """An invalid config file; the reason names fields, never values."""


class SecretError(StrongroomError):
    """A secret that cannot be read."""


class SecretNotFound(SecretError):
    """A name under which the server holds no value."""


class SecretDeleted(SecretNotFound):
    """A secret whose latest version was deleted or destroyed."""


class AccessDenied(SecretError):
    """A request that the policy denies, or an absent path; the message has the rule to add.

    Attributes:
        hint: What to do if the login is that of another environment; "" otherwise.

    """

    hint = ""


class WrongType(SecretError):
    """A value that cannot be converted to the requested type; the message never holds it."""


class SecretsMissing(SecretError):
    """Required secrets that cannot be read; the message has a line for each.

    Attributes:
        missing: Names without a value.
        denied: Names that are denied or absent; their lines have the policy rule to add.

    """

    def __init__(self, message: str, *, missing: tuple[str, ...], denied: tuple[str, ...]) -> None:
        super().__init__(message)
        self.missing = missing
        self.denied = denied


class ServerError(StrongroomError):
    """An error of the server or of the connection to it.

    Attributes:
        not_sent: Whether the request certainly had no effect, so that it may be sent to another
            address even if it must not be repeated.

    """

    not_sent = False


class Unreachable(ServerError):
    """No connection to the server, or a cut one; ``not_sent`` is true if there was none."""

    def __init__(self, message: str, *, not_sent: bool = False) -> None:
        super().__init__(message)
        self.not_sent = not_sent


class Sealed(ServerError):
    """A server that is sealed or not initialised."""

    not_sent = True


class RateLimited(ServerError):
    """A server that requests fewer requests, or a standby that did not forward (412, 472, 473).

    Attributes:
        retry_after: Seconds that the server requests to wait; None if it does not say.

    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, not_sent: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.not_sent = not_sent


class ServerFault(ServerError):
    """A failure of the server (5xx)."""


class UnexpectedAnswer(ServerFault):
    """A response that is not that of a Vault server, or of AWS; the message names the fault."""


class DeadlineExceeded(ServerError):
    """A call whose deadline is over."""


class RequestRefused(ServerError):
    """A request that the server rejects as wrong (400, 404, 405, 412).

    Attributes:
        status: The HTTP status.
        data: The part of the response's ``data`` that may be shown, or None. For a deleted version,
            KV describes it there. Of AWS: its error code, under ``code``.

    """

    def __init__(self, message: str, *, status: int, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.data = data


class AuthenticationFailed(StrongroomError):
    """A login that the server rejected, or a token that is no longer valid."""


class CredentialStolen(AuthenticationFailed):
    """A wrapped secret-id that cannot be unwrapped: treat it as stolen, and revoke it."""


class EncryptionError(StrongroomError):
    """A field or a file that cannot be encrypted or decrypted."""


class InvalidContext(EncryptionError):
    """A context that no token can be bound to; the message names the entry, never its value."""


class DecryptionFailed(EncryptionError):
    """A token or file that is not authentic for this key and context; deliberately says no more."""


class KeyUnavailable(EncryptionError):
    """A data key that cannot be wrapped or unwrapped now; the message says why."""


class IndexKeyLost(EncryptionError):
    """Missing, altered or outdated rows of a blind index's key; the message names the table."""


class BatchFailed(EncryptionError):
    """Items of a batch that failed.

    Attributes:
        failed: The indices of these items.

    """

    def __init__(self, message: str, failed: tuple[int, ...]) -> None:
        super().__init__(message)
        self.failed = failed


class AuditFailed(StrongroomError):
    """An access record that cannot be written, so that the secret was not released."""


#: Errors after which a cached value may be served stale for a while: the server is unavailable, and
#: it has said nothing about the secret itself.
OUTAGE = (Unreachable, Sealed, RateLimited, ServerFault, DeadlineExceeded)


def raise_decryption_failed(what: str = "token") -> NoReturn:
    """Raise the only error of a failed decryption: it says neither which check failed nor why."""
    raise DecryptionFailed(
        f"the {what} is not authentic for this key and context, or a newer strongroom-sdk wrote it;"
        " pass those that it was encrypted with, or upgrade"
    ) from None
