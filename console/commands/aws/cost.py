"""Command ``strongroom aws cost``: what an environment on AWS costs, with caches and without."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from app_integration._internal.limit_variables import BRANCH_KEY_AGE
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.settings import Limits
from aws.cost.estimate import Estimate, Inventory, count_data_keys, estimate
from aws.cost.prices import Prices, read_prices
from aws.cost.rates import Rates
from console.options import AsJson, Env, Prometheus
from console.target.target import open_target
from console.views.columns import print_columns
from vault.prometheus.client import Sample, query_prometheus

#: The metric of the SDK that counts accesses, by secret and outcome.
METRIC: Final = "strongroom_secret_access_total"
#: Outcomes of accesses that a value was returned for.
_USES: Final = "hit|miss|stale"
#: The time over which a rate is measured.
WINDOW: Final = "1d"
#: The label of all names beyond the first 256.
OTHER: Final = "other"


def read_rates(url: str, environment: Environment, secrets: Iterable[str]) -> dict[str, float]:
    """Return the reads of each secret in a second by one instance, on average over a day."""
    selector = f'{METRIC}{{environment="{environment}",outcome=~"{_USES}"}}'
    total = query_prometheus(url, f"sum by (secret) (rate({selector}[{WINDOW}]))")
    counted = query_prometheus(url, f"count by (secret) (count by (secret, instance) ({selector}))")
    rates, instances = _by_secret(total), _by_secret(counted)
    if not rates:
        raise ConfigurationError(
            f"{url} has no {METRIC} of {environment} in the last {WINDOW}; pass --reads, or scrape"
            " the application"
        )
    # A declared secret that is not among them was not read, or its name has no label of its own.
    missing = {} if OTHER in rates else dict.fromkeys(secrets, 0.0)
    return {**missing, **{name: rate / instances.get(name, 1.0) for name, rate in rates.items()}}


def _by_secret(samples: Iterable[Sample]) -> dict[str, float]:
    return {
        each.labels["secret"]: each.value
        for each in samples
        if "secret" in each.labels and math.isfinite(each.value) and each.value >= 0
    }


DEFAULTS: Final = Rates()
LIMITS: Final = Limits()
out = Console(soft_wrap=True)


def _parse_instances(text: str) -> str:
    """Return *text* if it is a list of numbers of instances."""
    if not all(each.isascii() and each.isdigit() and int(each) for each in text.split(",")):
        raise typer.BadParameter(f"{text} is no list of numbers from 1, such as 1,10,1000")
    return text


Instances = Annotated[
    str,
    typer.Option(
        "--instances", callback=_parse_instances, help="numbers of processes of each service"
    ),
]

BranchKeyAge = Annotated[
    float,
    typer.Option("--branch-key-age", min=0, help="seconds of a branch key; 0 for text tokens"),
]
DataKeyCache = Annotated[
    int, typer.Option("--data-key-cache", min=1, help="data keys that an instance caches")
]


def cost(
    env: Env,
    instances: Instances = "1,10,1000",
    prometheus: Prometheus = None,
    reads: Annotated[
        float, typer.Option("--reads", min=0, help="of each secret, in a second, by an instance")
    ] = DEFAULTS.reads,
    encrypts: Annotated[
        float, typer.Option("--encrypts", min=0, help="values with each key, likewise")
    ] = DEFAULTS.encrypts,
    decrypts: Annotated[
        float, typer.Option("--decrypts", min=0, help="values with each key, likewise")
    ] = DEFAULTS.decrypts,
    starts: Annotated[
        float, typer.Option("--starts", min=1, help="starts of an instance in a month")
    ] = DEFAULTS.starts,
    days: Annotated[
        float, typer.Option("--days", min=1, help="age of the oldest values that are read")
    ] = DEFAULTS.days,
    branch_key_age: BranchKeyAge = BRANCH_KEY_AGE,
    data_key_cache: DataKeyCache = LIMITS.data_key_cache,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="JSON file with prices other than the default")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what secrets, keys and requests on AWS cost in a month. AWS is not asked.

    Any environment may be named, also one that is on Vault today.
    """
    target = open_target(env)
    declared, environment = target.declaration, target.environment
    inventory = Inventory.of(declared, declared.scopes(environment))
    measured = read_rates(prometheus, environment, inventory.secrets) if prometheus else {}
    rates = Rates(reads, encrypts, decrypts, starts, days, measured)
    charged = read_prices(prices) if prices else Prices()
    limits = replace(LIMITS, data_key_cache=data_key_cache, branch_key_age=branch_key_age)
    numbers = [int(each) for each in instances.split(",")]
    found = [estimate(inventory, rates, number, charged, limits) for number in numbers]
    if as_json:
        typer.echo(json.dumps(_document(environment, inventory, rates, charged, found), indent=2))
        return
    _show(environment, inventory, rates, charged, limits, found)


def _show(
    environment: Environment,
    inventory: Inventory,
    rates: Rates,
    prices: Prices,
    limits: Limits,
    found: Sequence[Estimate],
) -> None:
    secrets, keys = inventory.stored, len(inventory.keys)
    stored = prices.storage(secrets=secrets, keys=keys)
    declared = f"{secrets} secrets and {keys} keys for ${stored:,.2f}"
    out.print(f"{environment} in a month: {declared}, and requests:\n", highlight=False)
    heading = ("instances", "a request for each use", "cost", "with the SDK", "cost")
    rows = [
        (
            f"{each.instances:,}",
            f"{each.naive.secrets + each.naive.kms:,.0f}",
            f"${each.naive_cost:,.2f}",
            f"{each.cached.secrets + each.cached.kms:,.0f}",
            f"${each.cached_cost:,.2f}",
        )
        for each in found
    ]
    print_columns(out, [heading, *rows])
    for line in ("", *_assumptions(rates, limits), *_warnings(rates, limits, found)):
        out.print(line, highlight=False, markup=False)


def _assumptions(rates: Rates, limits: Limits) -> list[str]:
    source = f"measured over {WINDOW}" if rates.measured else f"assumed: {rates.reads:g}"
    return [
        f"Reads of each secret in a second, by each instance: {source}.",
        f"Values encrypted with each key, likewise: assumed: {rates.encrypts:g}.",
        f"Values decrypted, written within {rates.days:g} days: assumed: {rates.decrypts:g}.",
        f"Data keys are {_describe_wrapping(limits)}.",
        f"An instance is one process, started {rates.starts:g} times in a month.",
    ]


def _describe_wrapping(limits: Limits) -> str:
    if limits.branch_key_age:
        return f"in a table, each under the branch key of {limits.branch_key_age / 86_400:g} days"
    return "in a table or in tokens, each wrapped by KMS"


def _warnings(rates: Rates, limits: Limits, found: Sequence[Estimate]) -> list[str]:
    """Return a line if the cache of data keys is too small, so that most reads need a request."""
    needed = {
        each.instances: count
        for each in found
        if (count := count_data_keys(rates, each.instances, limits)) > limits.data_key_cache
    }
    if limits.branch_key_age or not needed or not rates.decrypts:
        return []
    instances, count = min(needed.items())
    cache = f"a process caches {limits.data_key_cache:,} (Limits.data_key_cache)"
    return [
        f"With {instances:,} instances, {count:,.0f} data keys are read of each key, and {cache}."
    ]


def _document(
    environment: Environment,
    inventory: Inventory,
    rates: Rates,
    prices: Prices,
    found: Sequence[Estimate],
) -> dict[str, Any]:
    secrets, keys = inventory.stored, len(inventory.keys)
    return {
        "environment": str(environment),
        "secrets": secrets,
        "keys": keys,
        "storage": round(prices.storage(secrets=secrets, keys=keys), 2),
        "prices": asdict(prices),
        "rates": asdict(rates),
        "estimates": [
            {
                "instances": each.instances,
                "naive": {**asdict(each.naive), "cost": round(each.naive_cost, 2)},
                "cached": {**asdict(each.cached), "cost": round(each.cached_cost, 2)},
            }
            for each in found
        ],
    }
