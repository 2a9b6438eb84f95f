"""Comparison of the errors of a declaration's check with the expected errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vault.declare.errors import FieldError, format_location

#: Location, start of the message, and further parts of it that the reader needs.
Expected = tuple[str, ...]


def assert_errors(found: Iterable[FieldError], expected: Sequence[Expected]) -> None:
    errors = list(found)
    messages = "\n".join(map(str, errors))
    assert [format_location(error.loc) for error in errors] == [each[0] for each in expected], (
        messages
    )
    for error, (_, start, *parts) in zip(errors, expected, strict=True):
        assert str(error).startswith(start), error
        assert all(part in str(error) for part in parts), error
