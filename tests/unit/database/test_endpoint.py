"""URL of a database in the form of a driver, and the parameters in it."""

from __future__ import annotations

import traceback

import pytest
from psycopg.conninfo import conninfo_to_dict

from app_integration.database import driver_url
from app_integration.errors import ConfigurationError
from app_integration.observability import redaction
from app_integration.secret import Secret


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://ada:p%40ss@db/shop", "postgresql://ada:p%40ss@db/shop"),
        ("postgres://ada:pw@a:1,b:2/shop", "postgres://ada:pw@a:1,b:2/shop"),
        ("postgresql+psycopg://db.example.com:5432/shop", "postgresql://db.example.com:5432/shop"),
    ],
)
def test_driver_url_is_the_url_without_the_driver_of_sqlalchemy(url: str, expected: str) -> None:
    plain = driver_url(Secret(url))
    assert (type(plain), plain.reveal()) == (Secret, expected)
    assert conninfo_to_dict(plain)
    assert plain.reveal() not in redaction.live.scrub(f"cannot read {plain.reveal()}")


@pytest.mark.parametrize(
    "url",
    [
        "s3cret-word",
        "redis://:s3cret-word@cache/0",
        "postgresql+psycopg://ada:s3cret-word%zz@db/shop",
        "postgresql+psycopg://ada:p@s3cret-word@db/shop",
        "postgresql+psycopg://ada:s3cret-word/x@db/shop",
        "postgresql+psycopg://ada:pw@db/shop?s3cret-word=x",
    ],
)
def test_driver_url_that_no_driver_can_read_is_refused_without_its_content(url: str) -> None:
    with pytest.raises(ConfigurationError, match="percent-encode") as caught:
        driver_url(Secret(url))
    assert "s3cret" not in "".join(traceback.format_exception(caught.value)).replace(url, "")
    assert caught.value.__context__ is None
