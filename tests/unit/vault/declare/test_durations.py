from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.declare import durations

SECONDS = st.integers(min_value=0, max_value=100 * 365 * durations.DAY)


@given(SECONDS)
def test_render_then_parse_returns_the_seconds(seconds: int) -> None:
    assert durations.parse(durations.render(seconds)) == seconds


@given(SECONDS)
def test_normalise_of_each_server_form_is_equal(seconds: int) -> None:
    hours, rest = divmod(seconds, durations.HOUR)
    go = f"{hours}h{rest // durations.MINUTE}m{rest % durations.MINUTE}s"
    assert {durations.normalise(form) for form in (seconds, str(seconds), go)} == {seconds}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h", 3600), ("90d", 7_776_000), ("1h30m", 5400), ("0s", 0)],
)
def test_parse_of_numbers_with_units_returns_seconds(text: str, seconds: int) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "1.5h",
        "-1h",
        "1w",
        "1H",
        "h",
        "30m1h",
        "1h1h",
        " 1h",
        "1h\n",
        "٣h",
        "9" * 40 + "d",
    ],
)
def test_parse_of_other_text_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="expected whole numbers with units"):
        durations.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (90, "90s"), (5400, "90m"), (86_400, "1d"), (129_600, "36h")]
)
def test_render_uses_the_largest_unit_that_divides(seconds: int, text: str) -> None:
    assert durations.render(seconds) == text


def test_render_of_negative_seconds_is_rejected() -> None:
    with pytest.raises(ValueError, match="expected 0 or more"):
        durations.render(-1)


def test_normalise_of_empty_text_is_zero() -> None:
    assert durations.normalise("") == 0
