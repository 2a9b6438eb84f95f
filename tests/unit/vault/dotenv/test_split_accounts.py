"""Accounts whose parts are in several variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from vault.dotenv.account_names import mail_parts, mail_passwords
from vault.dotenv.parse import parse
from vault.dotenv.split_accounts import Server, find_databases


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("POSTGRES_SERVER=db\nPOSTGRES_USER=a\nPOSTGRES_PASSWORD=b\n", Server.POSTGRESQL),
        ("PGUSER=a\nPGPASSWORD=b\n", Server.POSTGRESQL),
        ("PG_HOST=db\nPG_USER=a\nPG_PASSWORD=b\nPG_DATABASE=s\n", Server.POSTGRESQL),
        ("SHOP_POSTGRES_USER=a\nSHOP_POSTGRES_PWD=b\n", Server.POSTGRESQL),
        ("DB_USER=a\nDB_PORT=5432\nDB_PASS=b\n", Server.POSTGRESQL),
        ("DB_ENGINE=django.db.backends.postgresql\nDB_USER=a\nDB_PASSWORD=b\n", Server.POSTGRESQL),
        ("PGHOST=db\nPGUSER=\nPGPASSWORD=b\n", Server.UNKNOWN),
        ("POSTGRES_DB=shop\nPOSTGRES_PASSWORD=b\n", Server.UNKNOWN),
        ("DB_CONNECTION=mysql\nDB_DATABASE=s\nDB_PASSWORD=b\n", Server.MYSQL),
        ("MYSQL_HOST=db\nMYSQL_USER=a\nMYSQL_PASSWORD=b\n", Server.MYSQL),
        ("DB_HOST=db\nDB_USER=a\nDB_PASSWORD=b\n", Server.UNKNOWN),
    ],
)
def test_kind_of_a_database_is_known_by_its_names_and_values(text: str, server: Server) -> None:
    (found,) = find_databases(parse(Path(".env"), text.encode()), ())
    assert found.server is server


@pytest.mark.parametrize("text", ["DB_PASSWORD=b\n", "DB_HOST=a\nDB_PORT=5432\n", "PGSSLMODE=on\n"])
def test_part_alone_is_no_account(text: str) -> None:
    assert list(find_databases(parse(Path(".env"), text.encode()), ())) == []


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("PGHOST=db\nPGPORT=6432\nPGDATABASE=shop\n", "db:6432/shop"),
        ("PGDATABASE='shop?x#y'\n", "localhost/shop%3Fx%23y"),
        ("PGHOST=::1\nPGPORT=6432\n", "[::1]:6432/"),
        ("PGHOST=/run/pg\nPGDATABASE=shop\n", "/shop?host=/run/pg"),
        ("PGHOST=/run/pg\nPGPORT=6432\nPGDATABASE=shop\n", "/shop?host=/run/pg&port=6432"),
    ],
)
def test_url_has_all_parts(place: str, url: str) -> None:
    text = f"PGUSER=ada\nPGPASSWORD='p@/x'\n{place}"
    (found,) = find_databases(parse(Path(".env"), text.encode()), ())
    assert found.url.value.reveal() == f"postgresql://ada:p%40%2Fx@{url}"
    assert conninfo_to_dict(found.url.value.reveal())["password"] == "p@/x"


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


def test_switch_of_tls_is_no_part_of_a_database() -> None:
    text = "DB_USER=a\nDB_PASSWORD=b\nDB_SSL=true\nDB_USE_TLS=1\n"
    (found,) = find_databases(parse(Path(".env"), text.encode()), ())
    assert found.variables == ("DB_USER", "DB_PASSWORD")


def test_account_without_a_user_is_that_of_no_url() -> None:
    (found,) = find_databases(parse(Path(".env"), b"PGDATABASE=shop\nPGPASSWORD=p\n"), ())
    assert not found.is_at("postgres://ada:p@db/shop")


def test_mail_account_has_the_names_of_each_framework() -> None:
    names = ["EMAIL_HOST", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD", "MAIL_SERVER", "MAIL_PASSWORD"]
    assert mail_parts([*names, "SMTP_PASSWORD", "EMAIL_FROM", "MAIL_PASS"]) == {
        "EMAIL_": {"EMAIL_HOST": "host", "EMAIL_HOST_USER": "user", names[2]: "password"},
        "MAIL_": {"MAIL_SERVER": "host", "MAIL_PASSWORD": "password"},
    }
    assert mail_passwords([*names, "SMTP_PASSWORD"]) == ["EMAIL_HOST_PASSWORD", "MAIL_PASSWORD"]


@pytest.mark.parametrize(
    "names",
    [["MAIL_USE_TLS", "MAIL_USE_SSL"], ["MAIL_STARTTLS", "MAIL_SSL_TLS"], ["SMTP_TLS", "SMTP_SSL"]],
)
def test_each_switch_of_tls_is_one_of_its_mail_account(names: list[str]) -> None:
    prefix = f"{names[0].partition('_')[0]}_"
    assert mail_parts([f"{prefix}HOST", *names])[prefix] == {
        f"{prefix}HOST": "host",
        **dict.fromkeys(names, "tls"),
    }
