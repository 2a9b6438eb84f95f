"""URL of a service's database, from the declared address or the secret."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from vault.service_database import read_url


@pytest.mark.parametrize(
    ("variable", "source"),
    [("postgresql://db:hunter2/shop", "STRONGROOM_DATABASE_URL"), ("", "the secret database-url")],
)
def test_source_of_a_malformed_url_is_named(variable: str, source: str) -> None:
    url = variable or "hunter2"
    settings = SimpleNamespace(address=lambda *, is_redis: "" if is_redis else variable)
    databases = SimpleNamespace(find_url=lambda: url)
    client: Any = SimpleNamespace(settings=settings, databases=databases)
    with pytest.raises(ConfigurationError) as caught:
        read_url(client)
    assert str(caught.value) == f"{source} is not the URL of a database; put one there"
