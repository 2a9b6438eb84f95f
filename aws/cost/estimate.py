"""Estimate for an environment: what its declared secrets and keys cost at given rates of use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from app_integration.names import Scope
from app_integration.settings import Limits
from aws.cost.prices import Prices
from aws.cost.requests import count_reads, count_unwraps, count_wraps
from aws.rotated_secrets import find_manager
from vault.declare.declaration import Declaration

#: Seconds of a month: 730 hours, as AWS counts.
MONTH: Final = 730 * 3600.0
_DAY: Final = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of use by one instance of a service. An instance is one process.

    Attributes:
        reads: Reads of each secret in a second.
        encrypts: Values encrypted with each key in a second.
        decrypts: Values decrypted with each key in a second.
        starts: Times that an instance is started in a month; its caches are empty then.
        days: Days in which the values were written that are read now.
        measured: Name of a secret → its measured reads in a second, in place of *reads*.

    """

    reads: float = 1.0
    encrypts: float = 1.0
    decrypts: float = 1.0
    starts: float = 30.0
    days: float = 30.0
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is declared in an environment.

    Attributes:
        secrets: Name of each secret, one for each service that has it.
        unread: Number of secrets that are paid for and that no service reads: the URLs of database
            managers, and replicas.
        keys: Operations that are allowed with each key.

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
    """Requests of a month.

    Attributes:
        secrets: To Secrets Manager.
        kms: To KMS.

    """

    secrets: float
    kms: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cost of a month with a number of instances of each service.

    Attributes:
        instances: The number.
        naive: A request for each use.
        cached: The requests of the SDK.
        prices: The prices.

    """

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
    """Return the cost of a month.

    Args:
        inventory: What is declared.
        rates: The use by each instance.
        instances: Instances of each service.
        prices: The prices.
        limits: The limits of the SDK's caches.

    """
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
    """Return the data keys of one key that the values were encrypted with that are read now.

    Each instance generates its own, at each start and when one reaches its limits.
    """
    life = MONTH / rates.starts
    each = count_wraps(rates.encrypts * life, life, limits)
    return instances * each * rates.days * _DAY / life


def _count_kms(
    allowed: Sequence[str], rates: Rates, instances: int, life: float, limits: Limits
) -> float:
    """Return the requests about one key by an instance between two starts."""
    wraps = count_wraps(rates.encrypts * life, life, limits) if "encrypt" in allowed else 0.0
    if "decrypt" not in allowed:
        return wraps
    data_keys = count_data_keys(rates, instances, limits)
    return wraps + count_unwraps(rates.decrypts * life, life, data_keys, limits)
