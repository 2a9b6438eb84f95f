"""Recipients of a file, each with the file key in a form that only it can open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app_integration.encryption.files.body import KEY_SIZE, TAG_SIZE
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.errors import StrongroomError, raise_decryption_failed
from app_integration.names import Environment, Scope, check_service_name

KEY_SERVICE: Final = 1
X25519: Final = 2

MAX_WRAPPED: Final = 1024  # bytes of one wrapped file key
MAX_RECIPIENTS: Final = 16  # of one file


#: Bytes of a recipient of the type :data:`X25519`: an ephemeral key, the file key, and a tag.
_X25519_SIZE: Final = KEY_SIZE + KEY_SIZE + TAG_SIZE


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient as a file's header has it."""

    kind: int
    content: bytes


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """A Transit key as a recipient."""

    scope: Scope
    name: str

    @property
    def text(self) -> str:
        """Return ``<service>/<environment>/<key name>``."""
        return f"{self.scope.service}/{self.scope.environment}/{self.name}"

    @property
    def bound(self) -> bytes:
        """Return the context that the key service binds a file key to."""
        return contexts.encode(
            {
                "use": "file key",
                "service": self.scope.service,
                "environment": self.scope.environment.value,
                "key": self.name,
            }
        )

    def recipient(self, wrapped: bytes) -> Recipient:
        """Return the recipient whose file key is wrapped as *wrapped*."""
        text = self.text.encode()
        return Recipient(KEY_SERVICE, bytes((len(text),)) + text + wrapped)


def parse_service_key(text: str) -> ServiceKey:
    """Return the key that *text* names, as ``<service>/<environment>/<key name>``."""
    service, environment, name = text.split("/")
    return ServiceKey(Scope(service, Environment(environment)), check_service_name(name))


def read_service_key(recipient: Recipient) -> tuple[ServiceKey, bytes]:
    """Return the Transit key of a recipient of that type, and the wrapped file key."""
    content = recipient.content
    end = 1 + content[0] if content else 0
    wrapped = content[end:]
    try:
        key = parse_service_key(content[1:end].decode("ascii"))
    except (StrongroomError, ValueError):
        raise_decryption_failed("file")
    if not 0 < len(wrapped) <= MAX_WRAPPED:
        raise_decryption_failed("file")
    return key, wrapped


def check_form(recipient: Recipient) -> None:
    """Check the content of a recipient of a known type."""
    if recipient.kind == KEY_SERVICE:
        read_service_key(recipient)
    if recipient.kind == X25519 and len(recipient.content) != _X25519_SIZE:
        raise_decryption_failed("file")
