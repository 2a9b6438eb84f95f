"""Detection of lost encryption keys: keys that can no longer decrypt the stored data.

After a restart and a new setup, a server in dev mode has new keys under the same names, and a token
of the old ones looks as if it was tampered with. Therefore the store keeps a check value: a known
plaintext that the server itself encrypted.
"""

from __future__ import annotations

import logging
import os
from contextlib import closing
from typing import Final

from sqlalchemy import Engine, Text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app_integration import transit
from app_integration.errors import (
    DecryptionFailed,
    RequestRefused,
    StrongroomError,
)
from app_integration.settings import from_environment
from app_integration.transport.http import Transport
from examples.gaara_store.tables import Base

log = logging.getLogger(__name__)

KEYS_LOST: Final = (
    "the encryption keys are lost: the secrets server was started without them, as after every "
    "restart in dev mode. Data that was encrypted before cannot be decrypted any more; erase it, "
    "or restore the server's data"
)
#: The bytes of the check value. They stay as they are, because stored rows contain them.
PLAINTEXT: Final = b"the keys are those of before"
CONTEXT: Final = b"gaara-store/key-check"
ROW_ID: Final = 1  # of the only row
TIMEOUT: Final = 2.0  # seconds
#: This path returns 200 in every state of the server.
_STATE: Final = "sys/health?standbycode=200&sealedcode=200&uninitcode=200"


class KeyCheck(Base):
    """Row with the check value, which was encrypted before the first customer's data."""

    __tablename__ = "key_check"

    id: Mapped[int] = mapped_column(primary_key=True)
    ciphertext: Mapped[str] = mapped_column(Text)


class Keys:
    """Server's keys, checked against the data that one database stores."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._has_check_value = False

    def store_check_value(self) -> None:
        """Encrypt and store the check value, unless the database has one.

        A failure of the encryption is only logged, so that the caller can continue.
        """
        if self._has_check_value or not _is_on_vault():
            return
        try:
            if self._read_check_value() is None:
                self._insert_check_value(transit().encrypt(PLAINTEXT, CONTEXT))
            self._has_check_value = True
        except StrongroomError as error:
            log.warning("could not encrypt the check value of the keys: %s", error)

    def are_lost(self) -> bool:
        """Return whether the server has lost the keys of the stored data; False if unknown.

        The server is asked each time, because the data keys that this process caches still work.
        """
        try:
            ciphertext = self._read_check_value()
            return ciphertext is not None and (_is_uninitialised() or not _can_decrypt(ciphertext))
        except (StrongroomError, SQLAlchemyError) as error:
            log.info("cannot check the keys: %s", error)
            return False

    def _read_check_value(self) -> str | None:
        with Session(self._engine) as session:
            row = session.get(KeyCheck, ROW_ID)
            return row.ciphertext if row else None

    def _insert_check_value(self, ciphertext: str) -> None:
        try:
            with Session(self._engine) as session, session.begin():
                session.add(KeyCheck(id=ROW_ID, ciphertext=ciphertext))
        except IntegrityError:
            log.info("another store has already stored the check value of the keys")


def _is_on_vault() -> bool:
    """Return whether the keys are Vault's. KMS loses none, and has no Transit for a check."""
    return os.environ.get("SECRETS_BACKEND", "vault") == "vault"


def _can_decrypt(ciphertext: str) -> bool:
    try:
        transit().decrypt(ciphertext, CONTEXT)
    except (DecryptionFailed, RequestRefused):  # the latter if the key does not exist
        return False
    return True


def _is_uninitialised() -> bool:
    """Return whether the server is new and not initialised."""
    settings = from_environment()
    address, cacert = settings.require_address(), settings.vault_cacert
    with closing(Transport(address, cacert=cacert, connect_timeout=TIMEOUT)) as transport:
        state = transport.send("GET", _STATE, timeout=TIMEOUT)
    return not state["initialized"]
