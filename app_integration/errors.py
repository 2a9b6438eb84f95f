"""Every error this SDK raises.

StrongroomError
├── ConfigurationError          settings, names or files are wrong; nothing was sent
│   ├── InvalidName             a secret, service or field name outside the grammar
│   ├── UndeclaredSecret        a name that the given declaration doesn't list
│   └── ConfigRejected          a delivered config file that can't be used
├── SecretError                 one secret can't be had
│   ├── SecretNotFound          the server holds no value under that name
│   ├── SecretDeleted           its latest version was deleted or destroyed
│   ├── AccessDenied            denied or absent: a client can't tell the two apart
│   ├── WrongType               its value isn't of the type that was asked for
│   └── SecretsMissing          some of those required at start-up; it lists each
├── ServerError                 the server didn't answer as it should
│   ├── Unreachable             no connection, or it was cut
│   ├── Sealed                  sealed or not initialised
│   ├── RateLimited             429, or a standby that didn't forward
│   ├── ServerFault             any other 5xx
│   │   └── UnexpectedAnswer    an answer of another shape than a server gives
│   ├── DeadlineExceeded        the call's one deadline ran out
│   └── RequestRefused          400, 404 or 405: the request itself is wrong
├── AuthenticationFailed        login refused, or the token is no longer valid
│   └── CredentialStolen        a wrapped secret-id was unwrapped by somebody else, or expired
├── EncryptionError
│   ├── InvalidContext          a context that nothing can be bound to
│   ├── DecryptionFailed        opaque: never says which check failed
│   ├── KeyUnavailable          the data key can't be wrapped or unwrapped now
│   ├── IndexKeyLost            rows of a blind index's key are gone, altered or put back
│   └── BatchFailed             some items of a batch failed; it tells which
└── AuditFailed                 the access record couldn't be written, so nothing was released

A message says what happened, where, and what to do next. It never holds a secret, and causes
from libraries are dropped (``from None``): hvac's exceptions carry response bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn


class StrongroomError(Exception):
    """Base of all errors; never raised itself."""


class ConfigurationError(StrongroomError):
    """Settings, names or files are wrong; no request was sent."""


class InvalidName(ConfigurationError):
    """A name outside the grammar of :mod:`app_integration.names`."""


class UndeclaredSecret(ConfigurationError):
    """A name that the declaration given to the application doesn't list."""


class ConfigRejected(ConfigurationError):
    """A delivered config file that can't be used; the reason names fields, never values."""


class SecretError(StrongroomError):
    """One secret can't be had."""


class SecretNotFound(SecretError):
    """The server holds no value under that name."""


class SecretDeleted(SecretNotFound):
    """The secret's latest version was deleted or destroyed."""


class AccessDenied(SecretError):
    """The token may not do this, or the path is absent; the message gives the rule to add."""


class WrongType(SecretError):
    """A secret's value isn't of the type that was asked for; the message never holds the value."""


class SecretsMissing(SecretError):
    """Secrets that are required can't be had; the message has a line for each.

    Attributes:
        missing: names without a value.
        denied: names denied or absent; their lines give the policy rule to add.

    """

    def __init__(self, message: str, *, missing: tuple[str, ...], denied: tuple[str, ...]) -> None:
        super().__init__(message)
        self.missing = missing
        self.denied = denied


class ServerError(StrongroomError):
    """The server didn't answer as it should.

    Attributes:
        not_sent: whether it is certain that the request had no effect, so that it may be sent to
            another address, whatever it is.

    """

    not_sent = False


class Unreachable(ServerError):
    """No connection to the server, or it was cut; ``not_sent`` when there was none."""

    def __init__(self, message: str, *, not_sent: bool = False) -> None:
        super().__init__(message)
        self.not_sent = not_sent


class Sealed(ServerError):
    """The server is sealed or not initialised."""

    not_sent = True


class RateLimited(ServerError):
    """The server asked for fewer requests (429), or a standby didn't forward (472, 473).

    Attributes:
        retry_after: seconds that the server asks to wait; None when it doesn't say.

    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, not_sent: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.not_sent = not_sent


class ServerFault(ServerError):
    """The server failed (5xx)."""


class UnexpectedAnswer(ServerFault):
    """An answer of another shape than a server gives; the message says what is wrong, and where."""


class DeadlineExceeded(ServerError):
    """The call's one deadline ran out."""


class RequestRefused(ServerError):
    """The server refused the request as wrong (400, 404, 405, 412).

    Attributes:
        status: the HTTP status.
        data: what may be kept of the answer's ``data``, or None. KV tells a deleted version there.

    """

    def __init__(self, message: str, *, status: int, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.data = data


class AuthenticationFailed(StrongroomError):
    """The login was refused, or the token is no longer valid."""


class CredentialStolen(AuthenticationFailed):
    """A wrapped secret-id isn't there to be unwrapped: treat it as stolen, revoke, issue anew."""


class EncryptionError(StrongroomError):
    """A field can't be encrypted or decrypted."""


class InvalidContext(EncryptionError):
    """A context that nothing can be bound to; the message names the entry, never its value."""


class DecryptionFailed(EncryptionError):
    """The token isn't authentic for this key and context; deliberately says no more."""


class KeyUnavailable(EncryptionError):
    """The data key can't be wrapped or unwrapped now; the message says why."""


class IndexKeyLost(EncryptionError):
    """Rows of a blind index's key are gone, altered or put back; the message names the table."""


class BatchFailed(EncryptionError):
    """Some items of a batch failed; ``failed`` holds their indices."""

    def __init__(self, message: str, failed: tuple[int, ...]) -> None:
        super().__init__(message)
        self.failed = failed


class AuditFailed(StrongroomError):
    """The access record couldn't be written, so the secret wasn't released."""


#: Errors after which a value already held may be served for a while: the server is away, and
#: it has said nothing about the secret itself.
OUTAGE = (Unreachable, Sealed, RateLimited, ServerFault, DeadlineExceeded)


def raise_decryption_failed() -> NoReturn:
    """Raise the one error in which every failed decryption ends.

    It says neither which check failed nor why.

    Raises:
        DecryptionFailed: always.

    """
    raise DecryptionFailed("the token isn't authentic for this key and context") from None
