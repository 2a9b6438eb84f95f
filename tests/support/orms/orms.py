"""The ORMs whose encrypted attributes are held to one contract."""

from __future__ import annotations

from typing import TypeAlias

from tests.support.orms.django_orm import DjangoOrm
from tests.support.orms.sqlalchemy_orm import SqlAlchemyOrm

Orm: TypeAlias = SqlAlchemyOrm | DjangoOrm
ORMS: dict[str, type[Orm]] = {"sqlalchemy": SqlAlchemyOrm, "django": DjangoOrm}
