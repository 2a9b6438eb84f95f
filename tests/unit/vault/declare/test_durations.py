from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.declare import durations

SECONDS = st.integers(min_value=0, max_value=100 * 365 * durations.DAY)


@given(SECONDS)
def test_a_duration_reads_back_as_it_was_written(seconds: int) -> None:
    assert durations.parse(durations.render(seconds)) == seconds


@given(SECONDS)
def test_every_form_of_the_server_is_the_same_duration(seconds: int) -> None:
    hours, rest = divmod(seconds, durations.HOUR)
    go = f"{hours}h{rest // durations.MINUTE}m{rest % durations.MINUTE}s"
    assert {durations.normalise(form) for form in (seconds, str(seconds), go)} == {seconds}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h", 3600), ("90d", 7_776_000), ("1h30m", 5400), ("0s", 0)],
)
def test_a_duration_is_whole_numbers_with_units(text: str, seconds: int) -> None:
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
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected whole numbers with units"):
        durations.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (90, "90s"), (5400, "90m"), (86_400, "1d"), (129_600, "36h")]
)
def test_a_duration_is_written_in_the_largest_unit_that_divides_it(seconds: int, text: str) -> None:
    assert durations.render(seconds) == text


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 or more"):
        durations.render(-1)


def test_a_server_that_says_nothing_means_none() -> None:
    assert durations.normalise("") == 0
