"""Commands of Django as leased users: migrate, test databases, and dbshell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.databases import django_project

django_project.set_up()

from django.core.exceptions import ImproperlyConfigured  # noqa: E402 (Django must be set up first)

from local.processes.binaries import postgres_folder  # noqa: E402 (as above)
from tests.support.databases.database import Database, eventually  # noqa: E402 (as above)
from tests.support.databases.leased_django import leased_database  # noqa: E402 (as above)
from tests.support.databases.own_database import OwnDatabase  # noqa: E402 (as above)
from tests.support.servers.deployment import Deployment  # noqa: E402 (as above)

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[2]
OWNER: Final = "gaara_store_owner"


@pytest.fixture
def site(database: Database) -> Iterator[OwnDatabase]:
    """Yield an empty database that the service's owner role owns."""
    own = OwnDatabase(database.accounts.superuser, "leased_site")
    own.create(OWNER)
    yield own
    own.drop()


def run_django(deployment: Deployment, *arguments: str, database: str = "") -> str:
    """Run a command of Django in a process of its own, and return its output."""
    variables = {
        "PATH": f"{postgres_folder() / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.support.processes.leased_site",
        "SITE_DATABASE": database,
        **deployment.variables,
    }
    done = subprocess.run(
        [sys.executable, "-m", "django", *arguments],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def owners(database: OwnDatabase) -> set[str]:
    """Return the owners of all tables, indexes and sequences of *database*."""
    query = """
        SELECT DISTINCT relowner::regrole::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
    """
    with database.connect() as connection:
        return {row[0] for row in connection.execute(query)}


def test_migrate_leaves_every_object_to_the_owner(
    deployment: Deployment, database: Database, site: OwnDatabase
) -> None:
    before = database.leased_users()
    assert "Applying auth.0001_initial" in run_django(deployment, "migrate", database=site.name)
    assert owners(site) == {OWNER}
    assert eventually(lambda: database.leased_users() <= before)  # nothing keeps the user


def test_dbshell_runs_psql_as_a_leased_user_without_a_password_variable(
    deployment: Deployment, database: Database
) -> None:
    before = database.leased_users()
    commands = ("-At", "-c", "SELECT session_user, current_user", "-c", r"\! env")
    user, *variables = run_django(deployment, "dbshell", "--", *commands).splitlines()
    assert user.startswith("v-")
    assert user.endswith(f"|{OWNER}")
    assert not [each for each in variables if each.startswith("PGPASSWORD=")]
    (passfile,) = (each.partition("=")[2] for each in variables if each.startswith("PGPASSFILE="))
    assert not Path(passfile).exists()
    assert eventually(lambda: database.leased_users() <= before)


@pytest.mark.usefixtures("default_client_on_server")
@pytest.mark.parametrize("keepdb", [False, True])
def test_missing_test_database_is_refused_with_what_to_do(*, keepdb: bool) -> None:
    with (
        leased_database(CONN_MAX_AGE=None) as connection,
        pytest.raises(ImproperlyConfigured, match=r"'test_gaara_store'.* --keepdb"),
    ):
        connection.creation.create_test_db(verbosity=0, keepdb=keepdb)


@pytest.mark.usefixtures("default_client_on_server")
def test_existing_test_database_is_used_and_kept(site: OwnDatabase) -> None:
    with leased_database(TEST={"NAME": site.name}) as connection:
        name = connection.creation.create_test_db(verbosity=0, keepdb=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            assert cursor.fetchone() == (name,) == (site.name,)
        with pytest.raises(ImproperlyConfigured, match="'leased_site_1'"):
            connection.creation.clone_test_db("1", verbosity=0, keepdb=True)
        connection.creation.destroy_test_db("gaara_store", verbosity=0, keepdb=True)
