"""Settings of Django's cache on leased Redis users: what is refused, and what is not requested."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import CacheHandler
from django.core.exceptions import ImproperlyConfigured

VALUE = "invented-value"
CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "OPTIONS['username']": {"OPTIONS": {"username": VALUE}},
    "OPTIONS['password']": {"OPTIONS": {"password": VALUE}},
    "OPTIONS['credential_provider']": {"OPTIONS": {"credential_provider": VALUE}},
    "OPTIONS['username'] and OPTIONS['pool_class']": {
        "OPTIONS": {"username": VALUE, "pool_class": VALUE}
    },
    "2 servers as its LOCATION": {"LOCATION": [f"redis://{VALUE}", f"redis://{VALUE}2"]},
    "3 servers as its LOCATION": {"LOCATION": f"redis://{VALUE};redis://b,redis://c"},
    "only one of role and secret": {"OPTIONS": {"role": VALUE, "secret": VALUE}},
}


def cache(**settings: Any) -> Any:
    """Return the cache that Django makes of *settings*."""
    backend = "app_integration.integrations.django.redis_cache.LeasedRedisCache"
    return CacheHandler({"default": {"BACKEND": backend, **settings}})["default"]


@pytest.mark.parametrize("named", CONTRADICTIONS)
def test_settings_that_contradict_leases_are_refused_by_name(named: str) -> None:
    with pytest.raises(ImproperlyConfigured) as raised:
        cache(**CONTRADICTIONS[named])
    assert named in str(raised.value)
    assert "a LeasedRedisCache in CACHES" in str(raised.value)
    assert VALUE not in str(raised.value)


@pytest.mark.parametrize(
    "settings", [{}, {"LOCATION": "redis://localhost/3", "OPTIONS": {"db": "4", "role": "cache"}}]
)
def test_settings_alone_request_nothing(settings: dict[str, Any]) -> None:
    assert cache(**settings).make_key("a") == ":1:a"
