"""Requests of one source: in order, and none of them in vain after an error."""

from __future__ import annotations

import time

import pytest

from app_integration.errors import Sealed
from console.page.sources.read_threads import read_all
from vault.reconcile.planning.plan import WORKERS


def test_results_are_in_the_order_of_the_items() -> None:
    assert read_all(str, range(100)) == [str(each) for each in range(100)]


def test_error_ends_what_is_not_begun() -> None:
    begun: list[int] = []

    def refuse(number: int) -> None:
        begun.append(number)
        time.sleep(0.001)  # as a request would take, so that most are not begun by then
        raise Sealed("the server is sealed")

    with pytest.raises(Sealed):
        read_all(refuse, range(10_000))
    assert WORKERS <= len(begun) < 10_000
