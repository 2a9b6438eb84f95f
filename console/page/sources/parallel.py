"""Requests of one source, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vault.reconcile.planning.plan import WORKERS

T = TypeVar("T")
R = TypeVar("R")


def read_all(read: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return what *read* returns of each of *items*, in their order.

    After an error, which is raised, none of the others is begun. *read* is called in several
    threads.
    """
    with ThreadPoolExecutor(WORKERS, "source") as pool:
        return list(pool.map(read, items))
