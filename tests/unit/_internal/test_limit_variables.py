"""Limits that a service sets by variables."""

from __future__ import annotations

from dataclasses import fields

import pytest

from app_integration._internal.limit_variables import FIELDS, RANGES, read_limits
from app_integration.errors import ConfigurationError
from app_integration.settings import DEVELOPMENT_LIMITS, Limits, from_environment

APPLICATION = {
    "STRONGROOM_SERVICE": "parcels",
    "ENVIRONMENT": "prod",
    "VAULT_ADDR": "https://vault.example.com",
}


def test_without_variables_nothing_changes() -> None:
    assert read_limits({"STRONGROOM_LIMIT_CACHE_TTL": ""}) == {}
    assert from_environment(APPLICATION).limits == Limits()


def test_variable_changes_one_limit() -> None:
    change = {"STRONGROOM_LIMIT_CACHE_TTL": "60", "STRONGROOM_LIMIT_DATA_KEY_CACHE": "4096"}
    limits = from_environment({**APPLICATION, **change}).limits
    assert limits == Limits(cache_ttl=60.0, data_key_cache=4096)
    assert isinstance(limits.data_key_cache, int)


def test_development_keeps_its_own_limits() -> None:
    change = {"ENVIRONMENT": "dev", "STRONGROOM_LIMIT_DEADLINE": "2.5"}
    limits = from_environment({**APPLICATION, **change}).limits
    assert limits.deadline == 2.5
    assert limits.retry_window == DEVELOPMENT_LIMITS.retry_window


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("STRONGROOM_LIMIT_CACHE_TTL", "5m", "is '5m'; expected a number of seconds from 1 to"),
        ("STRONGROOM_LIMIT_CACHE_TTL", "0.5", "expected a number of seconds from 1 to 86400"),
        ("STRONGROOM_LIMIT_CACHE_TTL", "nan", "is 'nan'; expected"),
        ("STRONGROOM_LIMIT_DEADLINE", "inf", "is 'inf'; expected"),
        ("STRONGROOM_LIMIT_DEADLINE", "-1", "expected a number of seconds from 0.1 to 300"),
        ("STRONGROOM_LIMIT_DATA_KEY_CACHE", "1e3", "expected a whole number of data keys from 1"),
        ("STRONGROOM_LIMIT_LEASE_ROTATE_AT", "1", "expected a number, the share of a TTL, from"),
        ("STRONGROOM_LIMIT_CACHE_TLL", "60", "did you mean STRONGROOM_LIMIT_CACHE_TTL?"),
        ("STRONGROOM_LIMIT_RENEW_AT", "0.4", "no variable changes this limit; use one of"),
    ],
)
def test_wrong_limit_is_refused_at_the_start(name: str, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment({**APPLICATION, name: text})
    assert str(caught.value).startswith(name)
    assert words in str(caught.value)


def test_each_variable_is_of_a_limit_whose_default_it_accepts() -> None:
    defaults = Limits()
    assert set(FIELDS.values()) <= {each.name for each in fields(Limits)}
    for name, allowed in RANGES.items():
        default = getattr(defaults, FIELDS[name])
        assert read_limits({name: str(default)}) == {FIELDS[name]: default}
        assert type(default) is (int if allowed.is_whole else float)
        for bound in (allowed.least, allowed.most):
            assert read_limits({name: str(bound)}) == {FIELDS[name]: bound}
