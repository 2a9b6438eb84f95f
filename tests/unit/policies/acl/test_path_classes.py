"""Paths that stand for all paths, by how patterns match them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.acl.path_classes import representatives
from policies.acl.pattern import parse_pattern

Class: TypeAlias = tuple[frozenset[int], frozenset[int], bool]

_SEGMENTS = ["a", "b", "ab", "+", "a+", "fo*", "+a"]
_ENDS = ["", "*", "/", "/*"]
PATTERNS = st.builds(
    lambda segments, end: "/".join(segments) + end,
    st.lists(st.sampled_from(_SEGMENTS), min_size=1, max_size=4),
    st.sampled_from(_ENDS),
).filter(lambda pattern: "+*" not in pattern)
PATHS = st.builds(
    lambda segments, end: "/".join(segments) + end,
    st.lists(
        st.sampled_from(["a", "b", "ab", "abz", "q", "a+", "fo*x", "+"]), min_size=1, max_size=5
    ),
    st.sampled_from(["", "/"]),
)


def classify(patterns: Sequence[str], path: str) -> Class:
    """Return which patterns match *path*, and *path* with a slash more or less at its end."""

    def matching(text: str) -> frozenset[int]:
        return frozenset(
            number for number, each in enumerate(patterns) if parse_pattern(each).matches(text)
        )

    is_folder = path.endswith("/")
    return matching(path), matching(path[:-1] if is_folder else f"{path}/"), is_folder


@given(st.lists(PATTERNS, min_size=1, max_size=6), st.lists(PATHS, min_size=1, max_size=20))
def test_each_path_that_a_pattern_matches_is_of_a_class_with_one_representative(
    patterns: list[str], paths: list[str]
) -> None:
    classes = [classify(patterns, each) for each in representatives(patterns)]
    assert len(set(classes)) == len(classes)
    found = [classify(patterns, each) for each in paths]
    assert {each for each in found if each[0]} <= set(classes)


def test_representatives_are_short_and_have_no_empty_segment() -> None:
    patterns = ["secret/+/app/db", "secret/data/*", "sys/mounts", "+"]
    paths = list(representatives(patterns))
    assert "sys/mounts" in paths
    assert "secret/data/app/db" in paths
    assert not any("//" in each or each.startswith("/") or not each for each in paths)


@pytest.mark.parametrize("count", [50, 100])
def test_number_of_classes_grows_with_the_patterns(count: int) -> None:
    patterns = [f"secret/data/team{at}/*" for at in range(count)]
    assert len(list(representatives(patterns))) == 3 * count
