"""Whether the keys are still those that the stored data was encrypted with.

A server in dev mode keeps its keys in memory. Started again and set up again, it has new ones under
the same names, and a token of the old ones looks like one that was tampered with. So the store
keeps a text that it knows, encrypted by the server itself: when that doesn't open, nothing does.
"""

from __future__ import annotations

import logging
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

GONE: Final = (
    "the encryption keys are gone: the secrets server was started without them, as one in dev mode "
    "is after every restart. What was encrypted before can't be read any more; erase it, or bring "
    "the server's data back"
)
KNOWN: Final = b"the keys are those of before"
CONTEXT: Final = b"gaara-store/key-check"
ONLY: Final = 1  # the one row's id
TIMEOUT: Final = 2.0  # seconds
#: Answers 200 in every state.
_STATE: Final = "sys/health?standbycode=200&sealedcode=200&uninitcode=200"


class KeyCheck(Base):
    """The known text, as it was encrypted before the first customer's data."""

    __tablename__ = "key_check"

    id: Mapped[int] = mapped_column(primary_key=True)
    ciphertext: Mapped[str] = mapped_column(Text)


class Keys:
    """The server's keys, as the data in one database needs them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._remembered = False

    def remember(self) -> None:
        """Keep the known text, unless one is there. That it can't be made now is only logged."""
        if self._remembered:
            return
        try:
            if self._ciphertext() is None:
                self._keep(transit().encrypt(KNOWN, CONTEXT))
            self._remembered = True
        except StrongroomError as error:
            log.warning("no text to check the keys by could be encrypted: %s", error)

    def gone(self) -> bool:
        """Whether the server has lost them; False also when it can't be asked, or nothing is kept.

        The server is asked each time: what this process holds would still open.
        """
        try:
            ciphertext = self._ciphertext()
            return ciphertext is not None and (_is_blank() or not _opens(ciphertext))
        except (StrongroomError, SQLAlchemyError) as error:
            log.info("the keys can't be checked: %s", error)
            return False

    def _ciphertext(self) -> str | None:
        with Session(self._engine) as session:
            row = session.get(KeyCheck, ONLY)
            return row.ciphertext if row else None

    def _keep(self, ciphertext: str) -> None:
        try:
            with Session(self._engine) as session, session.begin():
                session.add(KeyCheck(id=ONLY, ciphertext=ciphertext))
        except IntegrityError:
            log.info("another store has kept a text to check the keys by")


def _opens(ciphertext: str) -> bool:
    try:
        transit().decrypt(ciphertext, CONTEXT)
    except (DecryptionFailed, RequestRefused):  # the latter: there is no such key
        return False
    return True


def _is_blank() -> bool:
    """Whether the server is a new one that nobody has set up.

    Raises:
        ServerError: it doesn't answer, or is sealed.
        ConfigurationError: no address is set.

    """
    settings = from_environment()
    address, cacert = settings.require_address(), settings.vault_cacert
    with closing(Transport(address, cacert=cacert, connect_timeout=TIMEOUT)) as transport:
        state = transport.send("GET", _STATE, timeout=TIMEOUT)
    return not state["initialized"]
