"""Formats that a version reads: its own and the one before, and nothing newer."""

from __future__ import annotations

import pytest

from app_integration._internal import formats
from app_integration._internal.formats import Format
from app_integration.encryption.keys.data_key import TEXT_PURPOSES, TEXT_VERSION
from app_integration.encryption.tokens import keyring_token


@pytest.mark.parametrize(
    ("current", "found", "refusal"),
    [
        (1, None, None),
        (1, 1, None),
        (1, "1", None),
        (1, 2, "has format 2, but this version reads 1; install a newer tool"),
        (2, None, None),
        (2, "1", None),
        (2, "2", None),
        (2, "3", "has format 3, but this version reads 1 and 2; install a newer tool"),
        (3, 2, None),
        (
            3,
            None,
            (
                "has format 1, but this version reads 2 and 3; use the versions of tool in between "
                "first, one after the other"
            ),
        ),
    ],
)
def test_version_reads_its_format_and_the_one_before(
    current: int, found: object, refusal: str | None
) -> None:
    assert Format(current, "tool").describe_refusal(found) == refusal


@pytest.mark.parametrize("found", ["", "two", "1.0", "-1", "٢", "9" * 10, 0, -1, True, 1.0, [1]])
def test_format_that_is_no_number_is_refused_without_being_repeated(found: object) -> None:
    assert Format(1).describe_refusal(found) == (
        "has a format that is not a number, but this version reads 1; restore it, or make it again"
    )


def test_every_format_of_the_table_reads_itself() -> None:
    table = [each for each in vars(formats).values() if isinstance(each, Format)]
    assert len(table) == 13
    assert [each.describe_refusal(each.current) for each in table] == [None] * len(table)


def test_tokens_are_written_in_the_format_of_the_table_and_none_is_dropped() -> None:
    assert formats.TEXT_TOKEN.current == TEXT_VERSION == max(TEXT_PURPOSES)
    assert min(TEXT_PURPOSES) <= formats.TEXT_TOKEN.oldest
    assert formats.KEYRING_TOKEN.current == keyring_token.SUITE
