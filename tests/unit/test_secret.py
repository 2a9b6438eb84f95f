from __future__ import annotations

import copy
import pickle

import pytest

from app_integration import Secret

VALUE = "correct horse battery staple"
SECRET = Secret(VALUE)


@pytest.mark.parametrize(
    "shown",
    [
        repr(SECRET),
        str(SECRET),
        f"{SECRET}",
        f"{SECRET!r}",
        f"{SECRET!s}",
        "%s" % SECRET,  # noqa: UP031 (old formatting is what is tested)
        "{}".format(SECRET),  # noqa: UP032 (as above)
        str([SECRET]),
        str({"password": SECRET}),
        str(ValueError(f"Invalid secret: {SECRET}")),
        repr(ValueError(SECRET)),
    ],
)
def test_secret_printed_is_redacted(shown: str) -> None:
    assert VALUE not in shown
    assert "[REDACTED]" in shown


def test_secret_works_like_its_value() -> None:
    assert VALUE == SECRET
    assert hash(SECRET) == hash(VALUE)
    assert {VALUE: 1}[SECRET] == 1
    assert f"postgresql://{VALUE}" == "postgresql://" + SECRET
    assert SECRET.encode() == VALUE.encode()
    assert len(SECRET) == len(VALUE)


def test_secret_reveal_returns_plain_string() -> None:
    assert type(SECRET.reveal()) is str
    assert SECRET.reveal() == VALUE


def test_secret_format_spec_applies_to_mask() -> None:
    assert f"{SECRET:>12}" == "  [REDACTED]"


def test_secret_copy_is_same_object() -> None:
    assert copy.copy(SECRET) is SECRET
    assert copy.deepcopy({"a": SECRET})["a"] is SECRET


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secret_pickling_raises_without_value(protocol: int) -> None:
    with pytest.raises(TypeError) as caught:
        pickle.dumps(SECRET, protocol)
    assert VALUE not in str(caught.value)
