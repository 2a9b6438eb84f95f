"""Phases of the store's users: their columns, and the plan that leads from one to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app_integration.errors import ConfigurationError
from app_integration.integrations.sqlalchemy import Encrypted, EncryptedRow, Index
from examples.gaara_store import database
from examples.gaara_store.database import CUSTOMERS, User
from examples.gaara_store.user_phases import PHASES, personal_column, read_phase
from migration import plan
from vault.declare.load import load

PLAN: Final = plan.read(Path(database.__file__).with_name("users.migration.yaml"), load())
PERSONAL: Final = ("email", "phone", "address")


def user_class(phase: str) -> Any:
    class Base(DeclarativeBase):
        pass

    class PhaseUser(EncryptedRow, Base):
        __tablename__ = "users"

        id: Mapped[UUID] = mapped_column(primary_key=True)
        email = personal_column("email", phase, Index(CUSTOMERS, normalise="email"))
        phone = personal_column("phone", phase)
        address = personal_column("address", phase)

    return PhaseUser


def columns(owner: Any) -> set[str]:
    return {each.name for each in owner.__table__.columns} - {"id"}


def attributes(owner: Any) -> dict[str, Encrypted]:
    return {name: vars(owner)[name] for name in PERSONAL}


def test_store_without_a_phase_creates_encrypted_columns() -> None:
    assert columns(User) == {"username", "password_hash", *PERSONAL, "email_index"}
    assert {each.field for each in attributes(User).values()} == {f"users.{n}" for n in PERSONAL}


def test_first_phase_has_the_columns_before_the_plan_and_the_last_those_after_it() -> None:
    assert columns(user_class(PHASES[0])) == {*PLAN.columns}
    assert columns(user_class(PHASES[-1])) == {*PLAN.new_columns}


@pytest.mark.parametrize("phase", PHASES[1:-1])
def test_phases_between_have_the_columns_of_both(phase: str) -> None:
    assert columns(user_class(phase)) == {*PLAN.columns, *PLAN.new_columns}


@pytest.mark.parametrize("phase", PHASES[1:])
def test_plan_has_what_the_phase_declares(phase: str) -> None:
    for name, each in attributes(user_class(phase)).items():
        planned = PLAN.columns[name]
        assert (each.field, each.context) == (planned.field, ("id",))
        declared = each.index_column
        assert (declared is None) == (planned.index is None)
        if declared is not None and planned.index is not None:
            spec = declared.spec
            assert (spec.rows, spec.normalise) == (planned.index.rows, planned.index.normalise)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, None), *(({"STRONGROOM_STORE_PHASE": each}, each) for each in PHASES)],
)
def test_phase_is_that_of_the_variable(variables: dict[str, str], expected: str | None) -> None:
    assert read_phase(variables) == expected


def test_unknown_phase_is_rejected_with_those_that_exist() -> None:
    with pytest.raises(ConfigurationError, match="PHASE is 'dual'; use one of plaintext, dual-"):
        read_phase({"STRONGROOM_STORE_PHASE": "dual"})
