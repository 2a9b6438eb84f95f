"""Tables of the service."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of all tables."""


class Parcel(Base):
    """Parcel that the carrier has accepted, and the database user that printed its label."""

    __tablename__ = "parcels"

    number: Mapped[str] = mapped_column(primary_key=True)
    printed_by: Mapped[str | None]
