"""Table of how costs grow with the number of names, data keys, rows and services.

    python -m benchmarks.scale [--large]

It prints the table of ``docs/Scale.md``. Each cost is processor time, which other load on the
machine changes less than the clock's, of this process and of PostgreSQL's. The exponent of a cost
is the slope of the logarithms: 0 is flat, and 1 is linear.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from app_integration.encryption.cipher import FieldCipher
from app_integration.names import Environment, Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.observability.audit_sinks import open_sink
from app_integration.observability.secret_registry import SecretRegistry
from app_integration.secret import Secret
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret, Version
from benchmarks import search
from benchmarks.memory_keys import MemoryRows, MemoryService
from benchmarks.people_table import database, processor_clock
from benchmarks.plan import build_declaration, environment_resources
from benchmarks.ratio import Case, Clock, Run, measure, readable, repeated
from tests.support.servers.dev_server import dev_server, root
from vault.declare.declaration import Declaration
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.plan import Plan

SHOP: Final = Scope("shop", Environment.DEV)
#: The largest exponents of a flat cost and of a linear one.
FLAT: Final = 0.1
LINEAR: Final = 1.15
_HOUR: Final = 3600.0  # seconds; no secret is refreshed while a benchmark runs
_TURNS: Final = 15
_CALLS: Final = 2000  # calls in a turn
_SEARCHES: Final = 500  # in a turn
_PLANS: Final = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost at several sizes."""

    name: str
    by: str
    seconds: dict[int, float]

    @property
    def exponent(self) -> float:
        """Return the slope of the logarithm of the seconds over that of the size."""
        sizes = [math.log(size) for size in self.seconds]
        return statistics.linear_regression(sizes, list(map(math.log, self.seconds.values()))).slope

    @property
    def growth(self) -> str:
        """Return how the cost grows, in words."""
        if self.exponent <= FLAT:
            return "flat"
        if self.exponent > LINEAR:
            return "steeper than linear"
        return "linear" if self.exponent >= 2 - LINEAR else "between flat and linear"


class AnySecret:
    """A source that has a value for each name."""

    is_authoritative = True

    def fetch(self, name: str, version: Version, field: str | None, /) -> FetchedSecret:  # noqa: ARG002 (the protocol's signature)
        """Return a value for *name*."""
        return FetchedSecret(Secret(f"value-of-{name}"), "vault", 1)


class NoRegistry(SecretRegistry):
    """A registry without values, because adding them takes most of the time of filling a cache."""

    def add(self, value: str) -> None:
        """Do nothing with *value*."""


def cached_read(sizes: Sequence[int]) -> Cost:
    """Return the cost of a cached read, by the number of cached names."""
    with TemporaryDirectory() as folder:
        found = {}
        for names in sizes:
            audit = AuditLog(SHOP, open_sink(Path(folder) / "access.jsonl"))
            limits = Limits(cache_entries=names, cache_ttl=_HOUR)
            store = SecretStore([AnySecret()], audit, limits=limits, registry=NoRegistry())
            keys = [f"api-key-{number}" for number in range(names)]
            for key in keys:
                store.get(key)
            read = over(store.get, [keys[each] for each in search.spread(names, _CALLS)])
            found[names] = fastest(read, _CALLS)
            store.close()
            audit.close()
    return Cost("cached `get_secret`", "names", found)


def decryption(sizes: Sequence[int]) -> Cost:
    """Return the cost of a decryption, by the number of data keys."""
    service, found = MemoryService(), {}
    for keys in sizes:
        rows = MemoryRows()
        limits = Limits(data_key_messages=1, data_key_cache=keys)
        writer = FieldCipher(service, SHOP, data_keys=rows, limits=limits, background=_ignore)
        tokens = [writer.encrypt_field("a" * 32) for _ in range(keys)]
        reader = FieldCipher(service, SHOP, data_keys=rows, limits=Limits(data_key_cache=keys))
        reader.decrypt_many([(token, None) for token in tokens]).values()
        spread = [tokens[each] for each in search.spread(keys, _CALLS)]
        found[keys] = fastest(over(reader.decrypt_field, spread), _CALLS)
    return Cost("`decrypt_field`", "data keys", found)


def _ignore(_work: Callable[[], object]) -> None:
    """Run no work ahead, so that each message gets a data key of its own."""


def fastest(
    run: Run, calls: int, *, turns: int = _TURNS, clock: Clock = time.process_time
) -> float:
    """Return the seconds of one call in the fastest of several turns."""
    case = Case("", run, repeated(dict), "nothing", calls=calls, clock=clock)
    return measure(case, turns).subject


def over(call: Callable[[Any], object], arguments: Sequence[Any]) -> Run:
    """Return a function that calls *call* with *arguments*, from the first one in each turn."""

    def run(times: int) -> None:
        for each in islice(cycle(arguments), times):
            call(each)

    return run


def plan(sizes: Sequence[int]) -> Cost:
    """Return the cost of a plan without changes in one environment, by its services."""
    found = {}
    for services in sizes:
        declaration = build_declaration(services)
        with dev_server() as address, root(address) as session:
            build = partial(_build_plan, session, declaration)
            apply(session, build(), lambda _change: None)
            if build().changes:
                raise SystemExit("the second plan is not empty; fix the plan first")
            found[services] = fastest(repeated(build), 1, turns=_PLANS)
    return Cost("plan without changes", "services", found)


def _build_plan(session: Session, declaration: Declaration) -> Plan:
    return build_plan(session, environment_resources(declaration, Environment.DEV))


def index_search(sizes: Sequence[int]) -> Cost:
    """Return the cost of a search by blind index, by the rows of the table."""
    found = {}
    with database() as running, running.connect() as connection:
        clock = processor_clock(connection)
        for rows in sizes:
            index = search.declare(rows)
            search.fill(connection, "people", rows, index)
            run, _ = search.searches(connection, "people", rows, index)
            found[rows] = fastest(run, _SEARCHES, clock=clock)
    return Cost("search by blind index", "rows", found)


def costs(*, large: bool) -> Iterator[Cost]:
    """Yield all costs; *large* adds the sizes that take minutes."""
    yield cached_read([10, 100, 1000, 10_000, 100_000])
    yield decryption([1, 10, 100, 1000, 10_000])
    yield index_search([10**4, 10**5, 10**6, *([10**7] if large else [])])
    yield plan([10, 30, 100, *([300, 1000, 3000] if large else [])])


def rows(cost: Cost) -> Iterator[str]:
    """Yield the rows of *cost* in the table of the document."""
    sizes = "; ".join(f"{size:,}: {readable(each)}" for size, each in cost.seconds.items())
    yield f"| {cost.name} | {cost.by} | {sizes} | {cost.exponent:.2f} | {cost.growth} |"


def main() -> None:
    """Measure all costs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also sizes that take minutes")
    large = parser.parse_args().large
    sys.stdout.write("| cost | by | processor time | exponent | growth |\n|---|---|---|---|---|\n")
    for cost in costs(large=large):
        for row in rows(cost):
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
