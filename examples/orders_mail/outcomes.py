"""Outcomes of one message other than success, and the errors that concern all messages."""

from __future__ import annotations

from smtplib import SMTPException
from typing import Final

from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app_integration.errors import StrongroomError


class Rejected(Exception):
    """A message that no retry helps. It is moved to the dead messages, with this reason."""


class Postponed(Exception):
    """A message that cannot be handled yet. It is delivered again later; others come first."""


#: Errors of a server or of the configuration. They say nothing about the message, so the worker
#: keeps it and tries again until the server is available.
OUTAGE: Final = (StrongroomError, SQLAlchemyError, RedisError, SMTPException, OSError)


def describe(error: BaseException) -> str:
    """Return *error* for the log: other libraries' text may contain an address or a password."""
    return str(error) if isinstance(error, StrongroomError) else type(error).__name__
