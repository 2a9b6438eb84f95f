"""Django's settings of a database on leased users: what is refused, and what the URL adds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.databases import django_project

django_project.set_up()

from django.core.exceptions import ImproperlyConfigured  # noqa: E402 (Django must be set up first)
from django.db import connections  # noqa: E402 (as above)

from app_integration.integrations.django.postgresql import database_options  # noqa: E402 (as above)
from app_integration.integrations.django.postgresql.base import DatabaseWrapper  # noqa: E402

VALUE = "invented-value"
CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "USER": {"USER": VALUE},
    "PASSWORD": {"PASSWORD": VALUE},
    "USER and PASSWORD": {"USER": VALUE, "PASSWORD": VALUE},
    "OPTIONS['user']": {"OPTIONS": {"user": VALUE}},
    "OPTIONS['password']": {"OPTIONS": {"password": VALUE}},
    "OPTIONS['passfile']": {"OPTIONS": {"passfile": VALUE}},
    "OPTIONS['service']": {"OPTIONS": {"service": VALUE}},
    "OPTIONS['pool'] and CONN_MAX_AGE": {"OPTIONS": {"pool": True}, "CONN_MAX_AGE": 60},
    "only one of role and secret": {"OPTIONS": {"role": VALUE, "secret": VALUE}},
}
URL = {"host": "db.example.com", "port": "5433", "dbname": "shop", "sslmode": "require"}


@pytest.fixture(autouse=True)
def unchecked() -> None:
    """Let the first connection object of each test check all databases."""
    database_options.check_databases.cache_clear()


def with_defaults(**settings: Any) -> dict[str, Any]:
    """Return *settings* of a database with Django's defaults."""
    databases = {"default": {"ENGINE": database_options.ENGINE, **settings}}
    found: dict[str, Any] = connections.configure_settings(databases)["default"]
    return found


@pytest.mark.parametrize("named", CONTRADICTIONS)
def test_settings_that_contradict_leases_are_refused_by_name(named: str) -> None:
    with pytest.raises(ImproperlyConfigured) as raised:
        DatabaseWrapper(with_defaults(**CONTRADICTIONS[named]), "orders")
    assert named in str(raised.value)
    assert "DATABASES['orders']" in str(raised.value)
    assert VALUE not in str(raised.value)


def test_first_connection_object_checks_all_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings, "reports", with_defaults(PASSWORD=VALUE))
    with pytest.raises(ImproperlyConfigured, match=r"DATABASES\['reports'\] sets PASSWORD"):
        DatabaseWrapper(with_defaults(), "orders")


def test_databases_of_other_backends_keep_their_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = with_defaults(ENGINE="django.db.backends.postgresql", USER="ada", PASSWORD=VALUE)
    monkeypatch.setitem(connections.settings, "other", other)
    assert DatabaseWrapper(with_defaults(), "orders").connection is None


@pytest.mark.parametrize(
    ("settings", "place", "options"),
    [
        (
            {"OPTIONS": {"connect_timeout": 3}},
            ("shop", "db.example.com", "5433"),
            {"connect_timeout": 3, "sslmode": "require"},
        ),
        (
            {"NAME": "reports", "PORT": "6432", "OPTIONS": {"sslmode": "verify-full"}},
            ("reports", "db.example.com", "6432"),
            {"sslmode": "verify-full"},
        ),
        ({"HOST": "replica.example.com"}, ("shop", "replica.example.com", ""), {}),
    ],
    ids=["none set", "some set", "host set, so only the name is taken"],
)
def test_settings_win_over_the_url(
    settings: dict[str, Any], place: tuple[str, str, str], options: dict[str, Any]
) -> None:
    found = database_options.add_place(with_defaults(**settings), URL)
    assert (found["NAME"], found["HOST"], found["PORT"]) == place
    assert found["OPTIONS"] == options
    assert database_options.has_place(found)


def test_name_none_stays_the_maintenance_database() -> None:
    settings = {**with_defaults(HOST="db.example.com"), "NAME": None}
    assert database_options.has_place(settings)
    assert database_options.add_place({**settings, "HOST": ""}, URL)["NAME"] is None
