"""Columns of NumPy, pandas, Polars and Arrow, taken and given back as what they are.

None of these libraries is imported unless a value of it is given. A null of the column is None here
and a null again in what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from app_integration.errors import EncryptionError

Rebuild: TypeAlias = Callable[[list[Any]], Any]


def taken(column: Any) -> tuple[list[Any], Rebuild]:
    """*column* as a list with None for nulls, and how such a list becomes a column of its kind.

    Raises:
        EncryptionError: not a list, tuple or column of these libraries.

    """
    library = type(column).__module__.partition(".")[0]
    if library in _KINDS:
        return _KINDS[library](column)
    if isinstance(column, list | tuple | range):
        return list(column), list
    raise EncryptionError(
        f"a column of type {type(column).__name__}; use a list, a NumPy array, a pandas or Polars "
        "Series or an Arrow array"
    )


def values(column: Any) -> Sequence[Any]:
    """*column* as a sequence with None for nulls; raises as :func:`taken`."""
    return column if type(column) is list else taken(column)[0]


def _numpy(column: Any) -> tuple[list[Any], Rebuild]:
    import numpy as np  # noqa: PLC0415 - only who has one has it

    if column.ndim != 1:
        raise EncryptionError(f"an array of {column.ndim} dimensions; a column has one")

    def rebuild(items: list[Any]) -> Any:
        array = np.empty(len(items), dtype=object)
        array[:] = items
        return array

    return column.tolist(), rebuild


def _pandas(column: Any) -> tuple[list[Any], Rebuild]:
    import pandas as pd  # noqa: PLC0415 - as above

    items = [
        None if null else item for item, null in zip(column.tolist(), column.isna(), strict=True)
    ]

    def rebuild(items: list[Any]) -> Any:
        kinds = set(map(type, items)) - {type(None)}
        dtype = "str" if kinds == {str} else object
        return pd.Series(items, index=column.index, name=column.name, dtype=dtype)

    return items, rebuild


def _polars(column: Any) -> tuple[list[Any], Rebuild]:
    import polars as pl  # noqa: PLC0415 - as above

    return column.to_list(), lambda items: pl.Series(column.name, items)


def _arrow(column: Any) -> tuple[list[Any], Rebuild]:
    import pyarrow as pa  # noqa: PLC0415 - as above

    return column.to_pylist(), pa.array


_KINDS: dict[str, Callable[[Any], tuple[list[Any], Rebuild]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _arrow,
}
