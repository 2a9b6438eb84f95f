"""Rules of a Redis role, from the commands, keys and channels that were recorded."""

from __future__ import annotations

import pytest

from vault.declare.recorded_rules import RecordedRules, find_rules, generalise

UUID = "0b9d4a6e-52a7-4a4e-9f0c-8a1c55d0f3a2"
CATEGORIES = {"read": {"get", "mget", "client|list"}, "write": {"set", "del"}}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([b"orders:17", b"orders:18"], ["orders:*"]),
        ([b"orders:17:lines", b"orders:17"], ["orders:*"]),
        ([b"celery", f"celery-task-meta-{UUID}".encode()], ["celery", "celery-task-meta-*"]),
        ([f"{UUID}.reply.celery.pidbox".encode()], ["*.reply.celery.pidbox"]),
        ([b"session:pXk3-uZ_hAq81LmN0tYbCw"], ["session:*"]),
        ([b"rq:queues", b"rq:workers", b"rq:clean_registries:default"], ["rq:*"]),
        ([b"rq:queues", b"rq:workers"], ["rq:queues", "rq:workers"]),
        ([b"a", b"b", b"c"], ["a", "b", "c"]),
        ([b"oauth2:token"], ["oauth2:token"]),
        ([b"what?[a]*", b"with space", b"\xff:x"], ["?:x", r"what\?\[a\]\*", "with?space"]),
        ([b"", b"\x00"], ["?"]),
        ([UUID.encode(), b"orders"], ["*"]),
    ],
)
def test_generalise_keeps_what_does_not_vary(names: list[bytes], expected: list[str]) -> None:
    assert generalise(names) == expected


def find(declared: tuple[str, ...] = (), **recorded: set[object]) -> RecordedRules:
    sets: dict[str, set[object]] = {
        "commands": set(),
        "keys": set(),
        "channels": set(),
        "patterns": set(),
    }
    return find_rules(declared, **{**sets, **recorded}, category=CATEGORIES.__getitem__)  # type: ignore[arg-type]


def test_recorded_rules_are_added_to_the_declared_ones() -> None:
    found = find(("~orders:*", "+get"), commands={"get", "set"}, keys={b"orders:1", b"other:1"})
    assert found.rules == ["~orders:*", "+get", "~other:*", "+set"]
    assert found.added == ["~other:*", "+set"]


@pytest.mark.parametrize(
    ("declared", "added"),
    [
        (("+@read",), []),
        (("+@read", "-client"), ["+client|list"]),
        (("+@read", "-client|list"), ["+client|list"]),
        (("-@read", "+client"), []),
        (("%R~orders:*",), ["+client|list"]),
    ],
)
def test_command_that_the_declared_rules_grant_is_not_added(
    declared: tuple[str, ...], added: list[str]
) -> None:
    assert find(declared, commands={"client|list"}).added == added


def test_rule_for_reading_only_does_not_cover_a_key() -> None:
    assert find(("%R~orders:*",), keys={b"orders:1"}).added == ["~orders:*"]


def test_pattern_that_was_subscribed_to_is_added_literally() -> None:
    found = find(channels={b"news.1"}, patterns={b"news.*"})
    assert found.added == ["&news.*"]
    assert find(("&*",), channels={b"news.1"}, patterns={b"news.*"}).added == ["&news.*"]


def test_command_that_no_rule_may_grant_is_refused() -> None:
    found = find(commands={"config|get", "get"})
    assert (found.added, found.refused) == (["+get"], ["+config|get"])
