"""Columns of users' personal data, in each phase of their migration from plaintext.

An application under migration is deployed in one version for each phase, which differ in these
declarations only. Here a variable chooses the phase, so that all versions are in one place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Text
from sqlalchemy.orm import mapped_column

from app_integration.errors import ConfigurationError
from app_integration.integrations.sqlalchemy import Encrypted, Index, Plaintext

_VARIABLE: Final = "STRONGROOM_STORE_PHASE"
#: Before the migration: the store as it was with its ``.env``.
PLAINTEXT: Final = "plaintext"
#: After the migration, whose plan has named the columns of tokens.
ENCRYPTED: Final = "encrypted"
#: In the order in which they are deployed; on the way back in the other order.
PHASES: Final = (PLAINTEXT, "dual-writing", "switched", "nulling", ENCRYPTED)


def read_phase(variables: Mapping[str, str]) -> str | None:
    """Return the phase of this process, None if the table of users was created encrypted."""
    phase = variables.get(_VARIABLE)
    if phase is not None and phase not in PHASES:
        raise ConfigurationError(f"{_VARIABLE} is {phase!r}; use one of {', '.join(PHASES)}")
    return phase


def personal_column(name: str, phase: str | None, index: Index | None = None) -> Any:
    """Return the mapped attribute of a column of personal data.

    *phase* is None if the table was created encrypted; *index* is for a search by the attribute.
    """
    if phase == PLAINTEXT:
        return mapped_column(Text, nullable=False, index=index is not None)
    if phase is None:
        return Encrypted(f"users.{name}", index=index)
    plaintext = None if phase == ENCRYPTED else Plaintext(name, phase)
    return Encrypted(f"users.{name}", index=index, column=f"{name}_token", plaintext=plaintext)


#: The phase of this process.
PHASE: Final = read_phase(os.environ)
