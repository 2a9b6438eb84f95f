"""Lists of objects that one query loads, in the tests of both ORMs."""

from __future__ import annotations

import gc
import weakref
from typing import Any


def assert_ends_with(kind: Any, rows: list[Any]) -> None:
    """Check that the list of objects ends with the last of *rows*, before garbage is collected.

    Args:
        kind: The class of the list.
        rows: The objects, of which nothing else refers to any. They are removed.

    """
    found = kind.find(rows[0])
    assert found is not None
    gc.collect()  # the query's own garbage
    ended = weakref.ref(found)
    gc.disable()
    try:
        del found
        rows.clear()
        assert ended() is None
    finally:
        gc.enable()
