"""Estimate for an environment: what its declared secrets and keys cost at assumed rates of use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app_integration.encryption.keys.usage_limits import RENEW_AT
from app_integration.names import Scope
from app_integration.settings import Limits
from aws.cost.prices import Prices
from aws.cost.rates import Rates
from aws.rotated_secrets import find_manager
from vault.declare.declaration import Declaration

#: Share of its TTL after which a used secret is refreshed, on average: between a half and all.
REFRESH_AT: Final = 0.75
#: Requests about a data key of an identity that may only encrypt, and that branch keys are for: one
#: that wraps a branch key, one to unwrap it, which is denied, and one that wraps the data key.
_WITHOUT_BRANCH: Final = 3
#: Seconds of a month: 730 hours, as AWS counts.
MONTH: Final = 730 * 3600.0
_DAY: Final = 86_400.0  # seconds


def count_reads(uses: float, seconds: float, limits: Limits) -> float:
    """Return the requests for one secret: one, and one for each refresh; two at most for a use."""
    refreshes = seconds / (REFRESH_AT * limits.cache_ttl)
    return min(2 * uses, 1 + refreshes)


def count_wraps(encrypted: float, seconds: float, limits: Limits) -> float:
    """Return the requests that wrap data keys of one key: the first, and those that replace it."""
    by_age = seconds / (RENEW_AT * limits.data_key_age)
    by_messages = encrypted / (RENEW_AT * limits.data_key_messages)
    return min(encrypted, 1 + max(by_age, by_messages))


def count_unwraps(decrypted: float, seconds: float, data_keys: float, limits: Limits) -> float:
    """Return the requests that unwrap data keys of one key.

    If the cache has no room for all *data_keys*, the values are taken to be spread evenly.
    """
    if data_keys > limits.data_key_cache:
        return decrypted * (1 - limits.data_key_cache / data_keys)
    return min(decrypted, data_keys * max(1.0, seconds / limits.data_key_age))


def count_branch_unwraps(decrypted: float, seconds: float, days: float, limits: Limits) -> float:
    """Return the requests that unwrap branch keys to read what was written in the last *days*."""
    branches = 1 + days * _DAY / limits.branch_key_age
    return min(decrypted, branches * max(1.0, seconds / limits.data_key_age))


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is declared in an environment.

    *secrets* has a name for each service that reads it, and *keys* the operations allowed with each
    key. *unread* secrets are paid for as well, such as replicas.
    """

    secrets: Sequence[str]
    keys: Sequence[Sequence[str]]
    unread: int = 0

    @classmethod
    def of(cls, declaration: Declaration, scopes: Sequence[Scope]) -> Inventory:
        """Return what is declared for the services *scopes*."""
        read = [name for scope in scopes for name in declaration.secrets(scope)]
        aws = declaration.environment(scopes[0].environment).aws if scopes else None
        managers = sum(find_manager(declaration, scope) is not None for scope in scopes)
        own = sum(len(declaration.own_secrets(scope)) for scope in scopes)
        replicas = (own + managers) * len(aws.replicas if aws else ())
        return cls(
            read,
            [
                spec.allow
                for scope in scopes
                for spec in declaration.service(scope.service).keys.values()
            ],
            managers + replicas,
        )

    @property
    def stored(self) -> int:
        """Return the number of secrets that are paid for."""
        return len(self.secrets) + self.unread


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of a month to Secrets Manager and to KMS."""

    secrets: float
    kms: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cost of a month with a number of instances of each service."""

    instances: int
    naive: Requests
    cached: Requests
    prices: Prices

    @property
    def naive_cost(self) -> float:
        """Return the price of the requests without caches."""
        return self.prices.requests(secrets=self.naive.secrets, kms=self.naive.kms)

    @property
    def cached_cost(self) -> float:
        """Return the price of the SDK's requests."""
        return self.prices.requests(secrets=self.cached.secrets, kms=self.cached.kms)


def estimate(
    inventory: Inventory, rates: Rates, instances: int, prices: Prices, limits: Limits
) -> Estimate:
    """Return the cost of a month with a number of *instances* of each service."""
    uses = [rates.measured.get(name, rates.reads) * MONTH for name in inventory.secrets]
    encrypts = rates.encrypts * MONTH * sum("encrypt" in each for each in inventory.keys)
    decrypts = rates.decrypts * MONTH * sum("decrypt" in each for each in inventory.keys)
    naive = Requests(instances * sum(uses), instances * (encrypts + decrypts))
    life = MONTH / rates.starts
    reads = sum(count_reads(each / rates.starts, life, limits) for each in uses)
    kms = sum(_count_kms(each, rates, instances, life, limits) for each in inventory.keys)
    total = instances * rates.starts
    return Estimate(instances, naive, Requests(total * reads, total * kms), prices)


def count_data_keys(rates: Rates, instances: int, limits: Limits) -> float:
    """Return the number of data keys that what is read now was encrypted with, by all instances."""
    life = MONTH / rates.starts
    each = count_wraps(rates.encrypts * life, life, limits)
    return instances * each * rates.days * _DAY / life


def _count_kms(
    allowed: Sequence[str], rates: Rates, instances: int, life: float, limits: Limits
) -> float:
    """Return the requests about one key by an instance between two starts."""
    wraps = count_wraps(rates.encrypts * life, life, limits) if "encrypt" in allowed else 0.0
    if "decrypt" not in allowed:
        return wraps * _WITHOUT_BRANCH if limits.branch_key_age else wraps
    if limits.branch_key_age:
        return wraps + count_branch_unwraps(rates.decrypts * life, life, rates.days, limits)
    data_keys = count_data_keys(rates, instances, limits)
    return wraps + count_unwraps(rates.decrypts * life, life, data_keys, limits)
