"""Accounts whose parts are in several variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.dotenv.account_names import mail_parts, mail_passwords
from vault.dotenv.parse import parse
from vault.dotenv.split_accounts import Server, find_databases


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("POSTGRES_SERVER=db\nPOSTGRES_USER=a\nPOSTGRES_PASSWORD=b\n", Server.POSTGRESQL),
        ("PGHOST=db\nPGPASSWORD=b\n", Server.POSTGRESQL),
        ("SHOP_POSTGRES_DB=shop\nSHOP_POSTGRES_PWD=b\n", Server.POSTGRESQL),
        ("DB_HOST=db\nDB_PORT=5432\nDB_PASS=b\n", Server.POSTGRESQL),
        ("DB_ENGINE=django.db.backends.postgresql\nDB_NAME=s\nDB_PASSWORD=b\n", Server.POSTGRESQL),
        ("DB_CONNECTION=mysql\nDB_DATABASE=s\nDB_PASSWORD=b\n", Server.MYSQL),
        ("MYSQL_HOST=db\nMYSQL_USER=a\nMYSQL_PASSWORD=b\n", Server.MYSQL),
        ("DB_HOST=db\nDB_PASSWORD=b\n", Server.UNKNOWN),
    ],
)
def test_kind_of_a_database_is_known_by_its_names_and_values(text: str, server: Server) -> None:
    (found,) = find_databases(parse(Path(".env"), text.encode()), ())
    assert found.server is server


@pytest.mark.parametrize("text", ["DB_PASSWORD=b\n", "DB_HOST=a\nDB_PORT=5432\n", "PGSSLMODE=on\n"])
def test_part_alone_is_no_account(text: str) -> None:
    assert list(find_databases(parse(Path(".env"), text.encode()), ())) == []


def test_url_has_all_parts() -> None:
    text = "PGHOST=db\nPGPORT=6432\nPGUSER=ada\nPGPASSWORD='p@/x'\nPGDATABASE=shop\n"
    (found,) = find_databases(parse(Path(".env"), text.encode()), ())
    assert found.url.value.reveal() == "postgresql://ada:p%40%2Fx@db:6432/shop"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://ada:p%40@db/shop", True),
        ("postgresql+asyncpg://ada:p%40@db:5432/shop?ssl=on", True),
        ("postgres://ada:p%40@db/stock", False),
        ("postgres://ada:other@db/shop", False),
        ("postgres://bob:p%40@db/shop", False),
        ("postgres://ada:p%40@db:6432/shop", False),
        ("postgres://ada@db/shop", False),
        ("postgres://ada:p%40@[db/shop", False),
    ],
)
def test_account_is_that_of_a_url_if_all_its_parts_are(url: str, expected: bool) -> None:
    text = "PGHOST=db\nPGPORT=5432\nPGUSER=ada\nPGPASSWORD=p@\nPGDATABASE=shop\n"
    (found,) = find_databases(parse(Path(".env"), text.encode()), ())
    assert found.is_at(url) is expected


def test_account_without_a_user_is_that_of_no_url() -> None:
    (found,) = find_databases(parse(Path(".env"), b"PGDATABASE=shop\nPGPASSWORD=p\n"), ())
    assert not found.is_at("postgres://ada:p@db/shop")


def test_mail_account_has_the_names_of_each_framework() -> None:
    names = ["EMAIL_HOST", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD", "MAIL_SERVER", "MAIL_PASSWORD"]
    assert mail_parts([*names, "SMTP_PASSWORD", "EMAIL_FROM"]) == {
        "EMAIL_": {"host": "EMAIL_HOST", "user": "EMAIL_HOST_USER", "password": names[2]},
        "MAIL_": {"host": "MAIL_SERVER", "password": "MAIL_PASSWORD"},
    }
    assert mail_passwords([*names, "SMTP_PASSWORD"]) == ["EMAIL_HOST_PASSWORD", "MAIL_PASSWORD"]
