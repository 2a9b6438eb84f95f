"""Migrations of encrypted columns that Alembic generates, on a real PostgreSQL."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.orm import Session

from app_integration import database_engine, use_data_keys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.integrations.sqlalchemy import find

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

ROOT = Path(__file__).parents[2]
MODELS = """
from datetime import date
from uuid import UUID, uuid4

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app_integration.encryption.blind_index.stores.table import index_keys_table
from app_integration.encryption.keys.stores.table import data_keys_table
from app_integration.integrations.sqlalchemy import Encrypted, EncryptedRow, Index


class Base(DeclarativeBase):
    pass


class Reader(EncryptedRow, Base):
    __tablename__ = "readers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    email = Encrypted("readers.email", index=Index(rows=1_000, normalise="email"))
    born = Encrypted("readers.born", date, nullable=True)


data_keys_table(Base.metadata)
index_keys_table(Base.metadata)
"""
#: Others use the database too: a migration would drop the tables that its models lack.
SCHEMA = "alembic_reading"
OPTIONS = {"options": f"-c search_path={SCHEMA}"}
KEYS = """
from app_integration.integrations.sqlalchemy import create_index_keys
from shop.models import Reader
"""


def documented() -> tuple[str, str]:
    """Return the ``env.py`` of the documentation, and how its migration creates index keys."""
    found = (ROOT / "docs/Columns.md").read_text(encoding="utf-8").partition("### Alembic\n")[2]
    environment, migration = (each.partition("```")[0] for each in found.split("```python\n")[1:3])
    assert "database_engine()" in environment
    environment = environment.replace("engine()", f"engine(connect_args={OPTIONS})")
    return environment, migration.partition("    ...")[2].rstrip().replace("User", "Reader")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Yield the configuration of a new project, whose schema is dropped at the end."""
    environment, _ = documented()
    for name, content in (
        ("shop/__init__.py", ""),
        ("shop/models.py", MODELS),
        ("migrations/env.py", environment),
        ("migrations/versions/README", ""),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    template = Path(importlib.import_module("alembic").__file__ or "").parent / "templates"
    mako = (template / "generic/script.py.mako").read_text()
    (tmp_path / "migrations/script.py.mako").write_text(mako)
    monkeypatch.syspath_prepend(tmp_path)
    config = Config()
    config.set_main_option("script_location", str(tmp_path / "migrations"))
    config.set_main_option("path_separator", "os")
    execute(f"CREATE SCHEMA {SCHEMA}")
    yield config
    for name in ("shop", "shop.models"):
        sys.modules.pop(name, None)
    execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def execute(statement: str) -> None:
    with database_engine().begin() as connection:
        connection.execute(text(statement))


def test_generated_migration_needs_no_import_and_matches_the_models(config: Config) -> None:
    revision: Any = command.revision(config, "readers", autogenerate=True)
    path = Path(revision.path)
    generated = path.read_text()
    assert generated.count("sa.LargeBinary()") == 6  # tokens, index value and wrapped keys
    assert "app_integration" not in generated
    assert "drop_table" not in generated.partition("def downgrade")[0]
    _, create = documented()
    head, upgrade, rest = generated.partition("def upgrade() -> None:")
    body, end, rest = rest.partition("    # ### end Alembic commands ###\n")
    path.write_text(KEYS + head + upgrade + body + end + create + "\n" + rest)
    command.upgrade(config, "head")
    command.check(config)
    models = importlib.import_module("shop.models")
    engine = database_engine(connect_args=OPTIONS)
    use_data_keys(data_keys := TableDataKeys(engine))
    data_keys.create()
    with Session(engine) as session:
        session.add(models.Reader(email="Ada@Example.com"))
        session.commit()
        (found,) = find(session, models.Reader.email, "ada@example.com")
        assert found.email == "Ada@Example.com"
    command.downgrade(config, "base")
