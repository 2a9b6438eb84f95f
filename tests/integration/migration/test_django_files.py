"""Migrations of Django that the documentation has, each with the models of its version."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from local.servers.accounts import SUPERUSER, Superuser
from tests.support.databases.own_database import OwnDatabase

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[3]
SETTINGS: Final = """
import os
from urllib.parse import urlsplit

there = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": there.hostname,
        "PORT": there.port,
        "NAME": there.path[1:],
        "USER": there.username,
        "PASSWORD": there.password,
    }
}
INSTALLED_APPS = ["shop.apps.ShopConfig"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
IMPORTS: Final = """
from django.db import models

from app_integration.integrations.django import BlindIndexField, EncryptedField, EncryptedModel


"""
INITIAL: Final = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Customer",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("email", models.TextField()),
            ],
        )
    ]
"""
#: A customer is stored, and found by another process's spelling of the address.
STORE: Final = """
import django

django.setup()
from app_integration.integrations.django import find
from shop.models import Customer

Customer.objects.create(email="Ada@example.com")
print([each.email for each in find(Customer.objects, "email", "Ada@example.com")])
"""
#: Migration → what ``strongroom migrate`` has done to the table before it.
BEFORE: Final = {
    "0002_dual_writing": "ADD COLUMN email_token bytea, ADD COLUMN email_index bytea",
    "0003_switched": "",
    "0004_nulling": "ALTER COLUMN email DROP NOT NULL",
    "0005_encrypted": "",
    "0006_dropped": "DROP COLUMN email",
}


def model(migration: str) -> str:
    """Return the documented model, in the phase of *migration*."""
    page = (ROOT / "docs" / "Columns.md").read_text(encoding="utf-8")
    (text,) = re.findall(
        r"^```python\n(class Customer\(EncryptedModel\):\n    email_plain.*?)^```$",
        page,
        re.MULTILINE | re.DOTALL,
    )
    phase = migration.partition("_")[2].replace("_", "-")
    if phase in ("encrypted", "dropped"):
        text = re.sub(r"(?m)^ +(email_plain|plaintext|phase)\b.*\n", "", text)
    return f"{IMPORTS}{text.replace('dual-writing', phase)}"


@dataclass(frozen=True)
class Project:
    """Project of Django in *folder*, on a database."""

    folder: Path
    database: OwnDatabase

    @property
    def url(self) -> str:
        at = self.database.superuser
        account = f"{SUPERUSER}:{at.password().reveal()}"
        return f"postgresql+psycopg://{account}@{at.address}/{self.database.name}"

    def write(self) -> None:
        """Write the files that the page has, and those that it takes for granted."""
        page = (ROOT / "docs" / "howto" / "Django_Columns.md").read_text(encoding="utf-8")
        blocks = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        packages = dict.fromkeys(("shop/__init__.py", "shop/migrations/__init__.py"), "")
        own = {"settings.py": SETTINGS, "shop/migrations/0001_initial.py": INITIAL}
        files = {**packages, **own, **dict(blocks)}
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)

    def use(self, migration: str) -> None:
        (self.folder / "shop" / "models.py").write_text(model(migration))

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{self.folder}:{ROOT}",
                "DJANGO_SETTINGS_MODULE": "settings",
                "SECRETS_BACKEND": "memory",
                "STRONGROOM_SERVICE": "shop",
                "ENVIRONMENT": "dev",
                "DATABASE_URL": self.url,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def migrate(self, migration: str) -> None:
        """Migrate to *migration* with the models of its version, and store and find a row."""
        self.use(migration)
        self.run("-m", "django", "migrate", "shop", migration)
        assert "Ada@example.com" in self.run("-c", STORE)

    def columns(self) -> set[str]:
        query = """
            SELECT attname FROM pg_attribute WHERE attrelid = 'shop_customer'::regclass
            AND attnum > 0 AND NOT attisdropped
        """
        with self.database.connect() as connection:
            return {row[0] for row in connection.execute(query)}


@pytest.fixture
def project(tmp_path: Path, superuser: Superuser) -> Iterator[Project]:
    database = OwnDatabase(superuser, "django_files")
    database.create()
    project = Project(tmp_path, database)
    project.write()
    yield project
    database.drop()


def test_empty_database_is_that_of_each_version(project: Project) -> None:
    for migration in BEFORE:
        project.migrate(migration)
    assert project.columns() == {"id", "email_token", "email_index"}
    project.run("-m", "django", "makemigrations", "--check", "--dry-run")


def test_migrated_table_is_that_of_each_version(project: Project) -> None:
    project.use("0002_dual_writing")
    project.run("-m", "django", "migrate", "shop", "0001")
    for migration, change in BEFORE.items():
        if change:
            with project.database.connect() as connection:
                connection.execute(f"ALTER TABLE shop_customer {change}")
        project.migrate(migration)
    assert project.columns() == {"id", "email_token", "email_index"}


@pytest.mark.parametrize("migration", list(BEFORE)[:-1])
def test_models_of_a_version_need_no_other_migration(project: Project, migration: str) -> None:
    for later in list(BEFORE)[list(BEFORE).index(migration) + 1 :]:
        (project.folder / "shop" / "migrations" / f"{later}.py").unlink()
    project.use(migration)
    project.run("-m", "django", "makemigrations", "--check", "--dry-run")
