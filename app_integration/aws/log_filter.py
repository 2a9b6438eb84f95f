"""Removal of values from botocore's DEBUG log, which would print secrets and data keys.

Redaction by value does not help there, because botocore logs a response before the SDK has read it.
"""

from __future__ import annotations

import logging
from typing import Final

#: Loggers whose DEBUG records have requests, responses or credentials among their arguments. A
#: filter of a logger does not apply to its children, so each is named.
LOGGERS: Final = tuple(
    f"botocore.{module}"
    for module in (
        "auth",
        "awsrequest",
        "compress",
        "credentials",
        "discovery",
        "endpoint",
        "handlers",
        "history",
        "httpsession",
        "parsers",
        "retryhandler",
        "tokens",
        "utils",
    )
)


class _ArgumentFilter(logging.Filter):
    """A filter that drops the arguments of DEBUG records, and keeps their templates."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True, after the arguments of *record* are dropped."""
        if record.levelno <= logging.DEBUG:
            record.args = None
        return True


_FILTER: Final = _ArgumentFilter()


def install() -> None:
    """Drop the arguments of botocore's DEBUG records from now on. A second call changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
