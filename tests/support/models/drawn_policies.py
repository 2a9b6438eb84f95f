"""Policies, paths and requests that Hypothesis draws: few names, so that rules meet often."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from policies.acl.request import Request

CAPABILITIES: Final = ("create", "read", "update", "patch", "delete", "list", "scan", "sudo")
_DENY: Final = ("deny",)
_SEGMENTS: Final = ("a", "b", "ab", "abc", "+", "+", "+a", "a+", "*b", "é")
_STARTS: Final = ("k1/", "k1/", "k1/", "/k1/", "+/", "k", "")
_ENDS: Final = ("", "", "/", "*", "/*", "a*")


@dataclass(frozen=True)
class DrawnRule:
    """A rule as a team writes it."""

    path: str
    capabilities: tuple[str, ...]
    limits: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = ", ".join(f'"{each}"' for each in self.capabilities)
        limits = "".join(f"\n  {key} = {_to_hcl(value)}" for key, value in self.limits.items())
        return f"path {json.dumps(self.path)} {{\n  capabilities = [{words}]{limits}\n}}\n"


def text_of(drawn: list[DrawnRule]) -> str:
    """Return the policy that consists of *drawn*."""
    return "".join(map(str, drawn))


def _to_hcl(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_to_hcl(each)}' for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_to_hcl, value)) + "]"
    return json.dumps(value)


def _join(start: str, segments: list[str], end: str) -> str:
    return start + "/".join(segments) + end


def _is_taken(path: str) -> bool:
    """Return whether the server takes a rule for *path*."""
    return bool(path.strip("/")) and "+*" not in path


_capabilities = st.one_of(
    st.lists(st.sampled_from(CAPABILITIES), min_size=1, max_size=4, unique=True).map(tuple),
    st.lists(st.sampled_from(CAPABILITIES), max_size=2, unique=True).map(tuple),
    st.just(_DENY),
)
_patterns = st.builds(
    _join,
    st.sampled_from(_STARTS),
    st.lists(st.sampled_from(_SEGMENTS), max_size=3),
    st.sampled_from(_ENDS),
).filter(_is_taken)
rules: Final = st.builds(DrawnRule, _patterns, _capabilities)
#: One to three policies, which one token has.
policies: Final = st.lists(st.lists(rules, min_size=1, max_size=8), min_size=1, max_size=3)
#: A path, with a slash at its end or without.
paths: Final = st.builds(
    _join,
    st.sampled_from(("k1/", "k1/", "k1/", "k", "sys/")),
    st.lists(st.sampled_from(("a", "b", "ab", "abc", "c", "+", "a+", "*b", "é")), max_size=4),
    st.sampled_from(("", "", "/")),
).filter(lambda path: bool(path.strip("/")))

_LISTED: Final[tuple[Any, ...]] = (
    *("a", "ab", "a*", "*a", "*b*", "a*b", "", "*", "**", "é*", 1, 1.5, True),
    *(["a"], ["a", "b"], [["a"]], [], {"a": "b"}, {}, {"a": ["b"]}, "1", "true"),
)
_GIVEN: Final[tuple[Any, ...]] = (
    *("a", "ab", "ba", "aba", "b", "A", "", "*", "é", "a*b", "1", "true", 1, 1.5, True, False),
    *(None, ["a"], ["a", "b"], ["b", "a"], [["a"]], [], {"a": "b"}, {}, {"a": ["b"]}),
)
_values = st.lists(st.sampled_from(_LISTED), max_size=3)
# Not one name in two cases: which of them counts, is up to chance on the server.
_names = st.sampled_from(("p", "Q", "*", "limit"))
_parameters = st.dictionaries(_names, _values, min_size=1, max_size=3)
_limits = st.fixed_dictionaries(
    {},
    optional={
        "allowed_parameters": _parameters,
        "denied_parameters": _parameters,
        "required_parameters": st.lists(st.sampled_from(("p", "Q", "limit")), max_size=2),
        "pagination_limit": st.integers(0, 3),
        "min_wrapping_ttl": st.sampled_from(("0", "1s", "5s")),
        "max_wrapping_ttl": st.sampled_from(("5s", "10s", "1m")),
    },
)
_LIMITED_PATHS: Final = ("k1/a", "k1/a", "k1/b", "k1/*", "k1/a*", "k1/+", "+/a", "k1/", "k1/a/")

#: One or two policies with limits, which are about few paths.
limited_policies: Final = st.lists(
    st.lists(
        st.builds(
            DrawnRule,
            st.sampled_from(_LIMITED_PATHS),
            st.one_of(st.just(CAPABILITIES), _capabilities),
            _limits,
        ),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=2,
)


def _in_body(operation: str) -> st.SearchStrategy[Request]:
    given = st.dictionaries(
        st.sampled_from(("p", "P", "q", "Q", "r")), st.sampled_from(_GIVEN), max_size=2
    )
    wrap_ttl = st.sampled_from((None, None, 1, 5, 10, 61))
    return st.builds(Request, st.just(operation), given, wrap_ttl, st.just(0))


def _in_url(operation: str) -> st.SearchStrategy[Request]:
    texts = st.sampled_from([each for each in _GIVEN if isinstance(each, str)])
    name = "limit" if operation == "list" else "p"
    numbers = st.sampled_from(("0", "1", "2", "3", "-1", "", "max", "x", "+1"))
    given = st.dictionaries(st.sampled_from((name, "q")), texts | numbers, max_size=2)
    return st.builds(Request, st.just(operation), given, st.just(None), st.just(0))


#: A path under the mount, and a request for it.
requests: Final = st.tuples(
    st.sampled_from(("k1/a", "k1/a", "k1/b", "k1/ab")),
    st.one_of(
        *map(_in_body, ("create", "update", "patch", "delete")), *map(_in_url, ("read", "list"))
    ),
)
