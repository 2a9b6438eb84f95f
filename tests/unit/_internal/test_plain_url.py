"""Declared addresses in variables: what is none, or has a user or a password."""

from __future__ import annotations

import pytest

from app_integration._internal.server_urls import DATABASE_URL, read_plain_url
from app_integration.errors import ConfigurationError


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql+psycopg://db:5432/shop?sslmode=require&options=-c%20x",
        "rediss://db:6379/0?ssl_ca_data=-----BEGIN%0Apassword%3Dx",
        "postgresql://db/shop?target_session_attrs=primary&passfile=/run/password",
    ],
)
def test_url_without_credentials_is_taken(url: str) -> None:
    assert read_plain_url({DATABASE_URL: url}, DATABASE_URL) == url


@pytest.mark.parametrize(
    "rest",
    [
        *("://hunter2@db/shop", "//db/shop?hunter2", "://db/shop?sslmode=require&passwd=hunter2"),
        *("://db/0?password=hunter2", "://db/0?PASSWORD=hunter2", "://db/0?p%61ssword=hunter2"),
        *("://db/0?user=hunter2", "://db/0?UserName=hunter2", "://db/0?sslpassword=hunter2"),
        *("://db/0?password=&user=hunter2", "://db/0?password=", "://db/0?+password=hunter2"),
    ],
)
def test_url_with_credentials_is_refused_and_not_shown(rest: str) -> None:
    with pytest.raises(ConfigurationError, match="without user and password") as caught:
        read_plain_url({DATABASE_URL: f"postgresql{rest}"}, DATABASE_URL)
    assert "hunter2" not in str(caught.value)
