"""Comparison of rows with what their tokens and index values say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app_integration.integrations import orm_values
from migration.rows.row_cipher import RowCipher
from migration.rows.rows import Rows, find_differences, is_same
from migration.rows.source_cipher import to_stored, to_tokens
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable
from tests.support.models import index_parts
from tests.support.models.cipher_parts import World

TABLE: Final = MigratedTable(
    "public",
    "users",
    ("id",),
    (MigratedColumn("email", "email_token", ("id",)),),
    (IndexedColumn("email_index", "email"),),
)
VALUES: Final = (
    st.none()
    | st.text(max_size=2)
    | st.binary(max_size=2)
    | st.booleans()
    | st.integers(0, 1)
    | st.sampled_from([0.0, 1.0, Decimal(1), [1], [True], {"a": 1}, {"a": True}])
)


@given(st.lists(st.tuples(VALUES, VALUES)), st.booleans())
@example([(1, True)], False)
@example([([1], [True]), ("a", "a")], False)
def test_columns_differ_as_their_values_do(pairs: list[tuple[Any, Any]], is_equal: bool) -> None:
    ones, others = [one for one, _ in pairs], [other for _, other in pairs]
    others = ones.copy() if is_equal else others
    expected = [not is_same(one, other) for one, other in zip(ones, others, strict=True)]
    assert find_differences(ones, others) == expected
    assert find_differences(tuple(ones), others) == expected


@pytest.mark.parametrize("other", [["a"], ["a", "b", "c"], []])
def test_columns_of_different_lengths_are_an_error(other: list[str]) -> None:
    with pytest.raises(ValueError, match="zip"):
        find_differences(["a", "b"], other)


def test_tokens_of_both_kinds_are_stored_and_read() -> None:
    world = World()
    keyring = world.process().encrypt_field("sand", {"id": 1})
    text = world.text_process().encrypt_field("sand", {"id": 1})
    for tokens in ([keyring, None], [text, None], [None, keyring, text], [None], []):
        stored = to_stored(tokens)
        assert all(each is None or type(each) is bytes for each in stored)
        assert to_tokens(stored) == tokens
        assert to_tokens(tuple(stored)) == tokens
        assert [each and orm_values.token_from_bytes(each) for each in stored] == tokens


def test_index_value_of_any_live_version_matches_and_no_other() -> None:
    world = index_parts.World()
    index = world.process().index("users.email", rows=10**6, normalise="email")
    index.rotate()
    field = World().process().field("users.email", ("id",))
    cipher = RowCipher(TABLE, {"email": field}, {"email_index": index})
    emails = [*(f"user{at}@example.com" for at in range(6)), None, None, "user8@example.com"]
    current, new = index.candidates("user1@example.com")
    assert index.values(emails)[1] == current != new
    stored: list[Any] = index.values(emails)
    stored[1] = new
    stored[2] = index.value("user3@example.com")
    stored[3] = None
    stored[4] = b"\x03" + current[1:]
    stored[7] = current
    columns: dict[str, list[Any]] = {
        "id": list(range(9)),
        "email": emails,
        "email_token": field.encrypt_many(emails, range(9)),
        "email_index": stored,
    }
    rows = Rows([[str(at)] for at in range(9)], ["1"] * 9, columns)
    assert cipher.find_mismatches(rows) == {2, 3, 4, 7}
    columns["email_token"][0] = field.encrypt("other@example.com", 0)
    columns["email_token"][5] = field.encrypt(emails[5], 6)
    columns["email_token"][8] = None
    assert cipher.find_mismatches(rows) == {0, 2, 3, 4, 5, 7, 8}
