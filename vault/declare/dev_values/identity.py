"""Key pair of age with which a developer opens what the team shares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from app_integration._internal.private_file import write_private
from app_integration.encryption.files import x25519

#: Variable with the path of the file, which age-keygen may have written.
VARIABLE: Final = "STRONGROOM_IDENTITY"


def identity_path(variables: Mapping[str, str]) -> Path:
    """Return the file with this developer's private keys, which need not exist."""
    if named := variables.get(VARIABLE):
        return Path(named).expanduser()
    home = variables.get("HOME") or Path.home()
    return Path(home, ".config", "strongroom", "identity.txt")


def read_public_keys(path: Path) -> tuple[str, ...]:
    """Return the public keys of the identities in *path*; none if there is no such file."""
    if not path.exists():
        return ()
    return tuple(map(x25519.public_text, x25519.read_identities(path)))


def create_identity(path: Path) -> None:
    """Write a new key pair to *path*, with mode 0600, as ``age-keygen`` writes it."""
    identity = X25519PrivateKey.generate()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    public, private = x25519.public_text(identity), x25519.private_text(identity)
    write_private(path, f"# public key: {public}\n{private.reveal()}\n")
