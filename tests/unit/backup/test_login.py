"""Logins of PostgreSQL, and the file with the password of its programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from backup.child_process import program_variables
from backup.login import DatabaseLogin, read_url_file

PASSWORD = "p:w\\d %/@é"


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
def test_url_file_of_any_driver_is_read(driver: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"{driver}://shop:p%3Aw%5Cd%20%25%2F%40%C3%A9@db.example.com:6432/shop\n")
    login = read_url_file(file)
    assert login.database == "shop"
    assert login.parameters == {
        "user": "shop",
        "host": "db.example.com",
        "port": "6432",
        "dbname": "shop",
    }
    assert login.password is not None
    assert login.password.reveal() == PASSWORD


@pytest.mark.parametrize(
    "text", ["", "shop", "mysql://db/shop", "postgresql://db", "postgresql://db/shop?wrong=1"]
)
def test_url_file_without_the_url_of_a_database_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="does not contain the URL"):
        read_url_file(file)


def test_url_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_url_file(tmp_path / "url")


def test_password_is_in_a_private_file_without_a_name(tmp_path: Path) -> None:
    login = DatabaseLogin({"host": str(tmp_path), "dbname": "shop"}, Secret(PASSWORD))
    with login.password_file() as (conninfo, (descriptor,)):
        assert PASSWORD not in conninfo
        assert f"passfile=/dev/fd/{descriptor}" in conninfo
        found = os.fstat(descriptor)
        assert (found.st_nlink, found.st_mode & 0o777) == (0, 0o600)
        assert os.pread(descriptor, 1000, 0).decode() == "*:*:*:*:p\\:w\\\\d %/@é\n"


def test_programs_get_no_variable_with_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "PGOPTIONS", "PGSERVICE", "STRONGROOM_SECRET_ID_FILE"):
        monkeypatch.setenv(name, "x")
    assert "x" not in program_variables().values()
