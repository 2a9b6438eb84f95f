"""Conversion of NumPy, pandas, Polars and Arrow columns to lists and back.

This module imports none of these libraries until a column of that library is passed. A null of the
column is None in the list and a null again in the rebuilt column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from app_integration.errors import EncryptionError

Rebuild: TypeAlias = Callable[[list[Any]], Any]


def unpack(column: Any) -> tuple[list[Any], Rebuild]:
    """Convert *column* to a list, and return it with a function that rebuilds such a column."""
    library = type(column).__module__.partition(".")[0]
    if library in _UNPACKERS:
        return _UNPACKERS[library](column)
    if isinstance(column, list | tuple | range):
        return list(column), list
    raise EncryptionError(
        f"cannot read a column of type {type(column).__name__}; use a list, a NumPy array, "
        "a pandas or Polars Series or an Arrow array"
    )


def as_sequence(column: Any) -> Sequence[Any]:
    """Return *column* as a sequence with None for each null."""
    return column if type(column) is list else unpack(column)[0]


def _numpy(column: Any) -> tuple[list[Any], Rebuild]:
    import numpy as np  # noqa: PLC0415 - the caller passed an array, so it is installed

    if column.ndim != 1:
        raise EncryptionError(
            f"cannot read an array of {column.ndim} dimensions as a column; pass one dimension"
        )

    def rebuild(items: list[Any]) -> Any:
        array = np.empty(len(items), dtype=object)
        array[:] = items
        return array

    return column.tolist(), rebuild


def _pandas(column: Any) -> tuple[list[Any], Rebuild]:
    import pandas as pd  # noqa: PLC0415 - see _numpy

    items = [
        None if null else item for item, null in zip(column.tolist(), column.isna(), strict=True)
    ]

    def rebuild(items: list[Any]) -> Any:
        kinds = set(map(type, items)) - {type(None)}
        dtype = "str" if kinds == {str} else object
        return pd.Series(items, index=column.index, name=column.name, dtype=dtype)

    return items, rebuild


def _polars(column: Any) -> tuple[list[Any], Rebuild]:
    import polars as pl  # noqa: PLC0415 - see _numpy

    return column.to_list(), lambda items: pl.Series(column.name, items)


def _arrow(column: Any) -> tuple[list[Any], Rebuild]:
    import pyarrow as pa  # noqa: PLC0415 - see _numpy

    return column.to_pylist(), pa.array


_UNPACKERS: dict[str, Callable[[Any], tuple[list[Any], Rebuild]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _arrow,
}
