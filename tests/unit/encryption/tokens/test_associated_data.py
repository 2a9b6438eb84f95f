"""Test bindings: a field and a context as bytes, from a mapping or from declared names."""

from __future__ import annotations

from typing import Any

import pytest

from app_integration.encryption.tokens import associated_data
from app_integration.encryption.tokens.associated_data import Binding
from app_integration.errors import InvalidContext, InvalidName


def test_a_binding_is_the_field_and_the_context() -> None:
    assert associated_data.encode(None, None) == b"\x00\x00"
    assert associated_data.encode("a.b", None) == b"\x03a.b\x00"
    assert associated_data.encode(None, {"r": 7}) == b"\x00\x01\x01r\x03\x00\x01\x07"
    assert associated_data.encode("a.b", {"r": 7}) == b"\x03a.b\x01\x01r\x03\x00\x01\x07"


@pytest.mark.parametrize(
    "field", ["a", "0", "Users.e-mail_2:x/y", "x" * 128], ids=["letter", "digit", "signs", "long"]
)
def test_a_field_id_is_accepted(field: str) -> None:
    assert associated_data.encode_field(field) == bytes([len(field)]) + field.encode()


@pytest.mark.parametrize(
    "field",
    ["", "x" * 129, ".a", "-a", "a b", "é", "a\n"],
    ids=["empty", "long", "dot first", "hyphen first", "space", "not ASCII", "line end"],
)
def test_another_field_id_is_rejected_with_the_grammar(field: str) -> None:
    with pytest.raises(InvalidName, match=r"1 to 128 ASCII letters.*, such as '") as caught:
        associated_data.encode_field(field)
    assert repr(field) in str(caught.value)
    with pytest.raises(InvalidName):
        Binding(field, [])


@pytest.mark.parametrize(
    ("names", "values"),
    [
        ([], []),
        (["row"], [7]),
        (["bb", "a", "aa"], ["x", True, b"y"]),
        ([f"{number}" for number in range(32)], list(range(32))),
    ],
    ids=["none", "one", "in another order", "most"],
)
@pytest.mark.parametrize("field", ["users.email", None])
def test_declared_names_bind_as_the_mapping_does(
    field: str | None, names: list[str], values: list[Any]
) -> None:
    binding = Binding(field, names)
    context = dict(zip(names, values, strict=True)) or None
    assert binding.start + binding.entries(values) == associated_data.encode(field, context)
    assert (binding.field, binding.names) == (field, tuple(names))


@pytest.mark.parametrize(
    "names",
    ["row", ["a", "a"], [""], ["a", 7], [f"{number}" for number in range(33)]],
    ids=["text", "same name twice", "empty name", "number", "too many"],
)
def test_names_that_no_context_has_are_rejected(names: Any) -> None:
    with pytest.raises(InvalidContext):
        Binding("users.email", names)


@pytest.mark.parametrize("names", ["row", ["a", "a"]], ids=["text", "same name twice"])
def test_names_that_are_no_list_of_different_ones_are_rejected_with_the_field(names: Any) -> None:
    with pytest.raises(InvalidContext, match=r"^users.email: context=.* list of different names"):
        Binding("users.email", names)


@pytest.mark.parametrize(
    ("names", "values", "wanted"),
    [
        (["a", "b"], [1], "1 values of context; pass 2, for a, b$"),
        (["a", "b"], [1, 2, 3], "3 values of context; pass 2, for a, b$"),
        (["a"], [], "0 values of context; pass 1, for a$"),
        ([], [1], "1 values of context; pass 0$"),
    ],
    ids=["too few", "too many", "none", "unexpected"],
)
def test_another_number_of_values_is_rejected_with_the_names(
    names: list[str], values: list[Any], wanted: str
) -> None:
    with pytest.raises(InvalidContext, match=f"^users.email: got {wanted}"):
        Binding("users.email", names).entries(values)


def test_a_value_that_cannot_be_bound_is_rejected_with_its_name() -> None:
    with pytest.raises(InvalidContext, match="'b'"):
        Binding("users.email", ["a", "b"]).entries([1, None])


def test_prefixes_of_one_name_end_at_an_integer_of_up_to_8_bytes() -> None:
    binding = Binding("a.b", ["r"])
    start = b"head\x03a.b\x01"
    whole, by_length = binding.prefixes(b"head")
    assert whole == start
    assert by_length == tuple(start + b"\x01r\x03" + bytes([0, size]) for size in range(9))
    assert binding.integer_heads()[8] == b"\x01r\x03\x00\x08"


@pytest.mark.parametrize("names", [[], ["a", "b"]], ids=["none", "two"])
def test_prefixes_of_other_contexts_have_no_integer(names: list[str]) -> None:
    binding = Binding("a.b", names)
    assert binding.prefixes(b"head") == (b"head" + binding.start, ())
