"""Estimate of the cost on AWS; the expected figures were calculated by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app_integration._internal.limit_variables import BRANCH_KEY_AGE
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.settings import Limits
from aws.cost.estimate import (
    MONTH,
    Estimate,
    Inventory,
    Requests,
    count_data_keys,
    count_reads,
    count_unwraps,
    count_wraps,
    estimate,
)
from aws.cost.prices import Prices, read_prices
from aws.cost.rates import Rates
from tests.support.models.aws_declared import SCOPE, declare_on_aws
from tests.support.models.aws_rotated import AWS, declare_rotated
from vault.declare.load import PROJECT, load
from vault.declare.schema.aws import AWS_KEY

LIMITS = Limits()
BRANCHES = Limits(branch_key_age=BRANCH_KEY_AGE)
HOUR, DAY = 3600.0, 86_400.0


def test_secrets_that_no_service_reads_are_paid_for(tmp_path: Path) -> None:
    declaration = declare_rotated(tmp_path / "one")
    found = Inventory.of(declaration, declaration.scopes(SCOPE.environment))
    assert (len(found.secrets), found.stored) == (4, 5)  # with the URL of the database manager
    aws = {**AWS, "replicas": {"eu-west-1": AWS_KEY, "eu-west-2": AWS_KEY}}
    declaration = declare_rotated(tmp_path / "two", aws=aws)
    assert Inventory.of(declaration, declaration.scopes(SCOPE.environment)).stored == 15


@pytest.mark.parametrize(
    ("uses", "seconds", "requests"),
    [
        (0, DAY, 0),
        (1, DAY, 2),  # the use, and one refresh in case of another
        (3, DAY, 6),
        (86_400, DAY, 385),  # the first use, and 86,400 s / 225 s refreshes
        (864_000, DAY, 385),
    ],
)
def test_reads_of_a_secret_are_requests_at_each_refresh(
    uses: float, seconds: float, requests: float
) -> None:
    assert count_reads(uses, seconds, LIMITS) == requests


@pytest.mark.parametrize(
    ("encrypted", "seconds", "requests"),
    [
        (0, DAY, 0),
        (1, 0.9 * DAY, 1),
        (1000, 0.9 * DAY, 2),  # the first data key, and one after nine tenths of a day
        (1000, 9 * DAY, 11),
        (0.9 * 2**24 * 40, DAY, 41),  # one for each 2**24 values, nine tenths of them
    ],
)
def test_encryption_is_a_request_for_each_data_key(
    encrypted: float, seconds: float, requests: float
) -> None:
    assert count_wraps(encrypted, seconds, LIMITS) == pytest.approx(requests)


@pytest.mark.parametrize(
    ("decrypted", "seconds", "data_keys", "requests"),
    [
        (5, DAY, 30, 5),
        (1000, HOUR, 30, 30),  # each once, although it stays cached for longer
        (1000, 2 * DAY, 30, 60),
        (1000, DAY, 1024, 1000),
        (1000, DAY, 4096, 750),  # a quarter of them finds its data key in the cache
    ],
)
def test_decryption_is_a_request_for_each_data_key_that_is_not_cached(
    decrypted: float, seconds: float, data_keys: float, requests: float
) -> None:
    assert count_unwraps(decrypted, seconds, data_keys, LIMITS) == requests


def test_estimate_is_that_of_the_figures_by_hand() -> None:
    # One instance runs for a month of 2,628,000 s, reads two secrets a second and uses one key.
    inventory = Inventory(["url", "token"], [("encrypt", "decrypt")])
    found = estimate(inventory, Rates(starts=1), 1, Prices(), LIMITS)
    assert (found.naive.secrets, found.naive.kms) == (5_256_000, 5_256_000)
    assert found.naive_cost == pytest.approx(26.28 + 15.768)
    # Twice 1 + 2,628,000 / 225 reads, and 1 + 2,628,000 / 77,760 wraps.
    wraps = 1 + 2_628_000 / 77_760
    assert found.cached.secrets == 2 * 11_681
    # In 30 days the instance made 34.3 data keys, unwrapped anew on each of 30.4 days.
    unwraps = wraps * 30 * 86_400 / 2_628_000 * 2_628_000 / 86_400
    assert found.cached.kms == pytest.approx(wraps + unwraps)
    assert found.cached_cost == pytest.approx(0.11681 + (wraps + unwraps) * 0.03 / 10_000)


def test_estimate_grows_with_the_instances_until_the_cache_is_full() -> None:
    inventory = Inventory(["url"], [("encrypt", "decrypt")])
    one, ten, thousand = (
        estimate(inventory, Rates(), number, Prices(), LIMITS) for number in (1, 10, 1000)
    )
    assert ten.cached.secrets == pytest.approx(10 * one.cached.secrets)
    assert thousand.naive.kms == pytest.approx(1000 * one.naive.kms)
    assert count_data_keys(Rates(), 1000, LIMITS) > LIMITS.data_key_cache
    roomy = replace(LIMITS, data_key_cache=100_000)
    cheaper = estimate(inventory, Rates(), 1000, Prices(), roomy)
    assert cheaper.cached_cost < thousand.cached_cost


def test_branch_keys_cost_the_same_for_one_instance_and_for_each_of_a_thousand() -> None:
    inventory = Inventory(["url"], [("encrypt", "decrypt")])
    one, thousand = (estimate(inventory, Rates(), each, Prices(), BRANCHES) for each in (1, 1000))
    assert thousand.cached.kms == pytest.approx(1000 * one.cached.kms)
    # A start lasts 87,600 s: 1 + 87,600 / 77,760 data keys, and two branch keys in 1.014 days.
    assert one.cached.kms == pytest.approx(30 * (1 + 87_600 / 77_760 + 2 * 87_600 / 86_400))
    assert thousand.prices.requests(secrets=0, kms=thousand.cached.kms) < 1
    without = estimate(inventory, Rates(), 1000, Prices(), LIMITS)
    assert without.cached.kms > 15_000 * thousand.cached.kms


def test_identity_that_may_only_encrypt_tries_the_branch_key_first() -> None:
    only = Inventory([], [("encrypt",)])
    direct, branches = (estimate(only, Rates(), 1, Prices(), each) for each in (LIMITS, BRANCHES))
    assert branches.cached.kms == pytest.approx(3 * direct.cached.kms)


def test_caches_cost_no_more_than_a_request_for_each_use_unless_uses_are_rare() -> None:
    inventory = Inventory(["url"], [("encrypt", "decrypt")])
    often = estimate(inventory, Rates(reads=0.01), 3, Prices(), LIMITS)
    rare = estimate(inventory, Rates(reads=0.0001), 3, Prices(), LIMITS)
    assert often.cached.secrets < often.naive.secrets
    assert rare.cached.secrets == pytest.approx(2 * rare.naive.secrets)


def test_measured_rate_replaces_the_assumed_one() -> None:
    rates = Rates(measured={"url": 0.5, "token": 0.0})
    found = estimate(Inventory(["url", "token", "new"], []), rates, 1, Prices(), LIMITS)
    assert found.naive.secrets == pytest.approx(1.5 * MONTH)


def test_inventory_is_what_is_declared(tmp_path: Path) -> None:
    found = Inventory.of(declare_on_aws(tmp_path), [SCOPE])
    assert sorted(found.secrets) == ["password", "smtp-password", "smtp-url"]
    assert len(found.keys) == 2
    prices = Prices()
    assert prices.storage(secrets=len(found.secrets), keys=len(found.keys)) == pytest.approx(3.20)


def test_key_without_permission_to_decrypt_costs_no_unwraps() -> None:
    found = estimate(Inventory([], [("encrypt",)]), Rates(starts=1), 1, Prices(), LIMITS)
    assert found.naive.kms == MONTH
    assert found.cached.kms == pytest.approx(1 + 2_628_000 / 77_760)


def test_prices_in_a_file_replace_the_default_ones(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"secret_month": 0.5, "kms_requests": 0}')
    assert read_prices(file) == Prices(secret_month=0.5, kms_requests=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "expected an object"),
        ("{", "is not JSON"),
        ('{"key": 1}', "has 'key'; expected some of key_month"),
        ('{"key_month": -1}', "expected an object with numbers of dollars"),
        ('{"key_month": true}', "expected an object with numbers of dollars"),
        ('{"key_month": NaN}', "expected an object with numbers of dollars"),
    ],
)
def test_file_that_has_no_prices_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_prices(file)


def test_costs_are_those_of_the_price_list() -> None:
    found = Estimate(1, Requests(20_000, 30_000), Requests(10_000, 0), Prices())
    assert found.naive_cost == pytest.approx(0.10 + 0.09)
    assert found.cached_cost == pytest.approx(0.05)


def test_figures_of_the_document_are_those_of_the_examples() -> None:
    declared = load()
    inventory = Inventory.of(declared, declared.scopes(Environment.PROD))
    text = (PROJECT / "docs/howto/AWS_Watch.md").read_text(encoding="utf-8")
    for number in (1, 10, 1000):
        found = estimate(inventory, Rates(), number, Prices(), BRANCHES)
        assert f"| {number:,} | ${found.naive_cost:,.2f} | ${found.cached_cost:,.2f} |" in text
