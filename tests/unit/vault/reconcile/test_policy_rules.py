from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.render import render_policies
from vault.declare.load import load
from vault.reconcile.hcl.policy_rules import DENY, Rule, parse_rules, policies_equal
from vault.reconcile.hcl.syntax import HclError

BASE = """
path "secret/data/a" {
  capabilities = ["read", "list"]
  min_wrapping_ttl = "90s"
  allowed_parameters = { "TTL" = ["1h", "2h"], "*" = [] }
}
path "b" { capabilities = ["update"] }
"""

SAME = {
    "order of paths and capabilities": """
        path "b" { capabilities = ["update"] }
        path "secret/data/a" {
          allowed_parameters { "*" = [], ttl = ["2h", "1h"] }
          min_wrapping_ttl = 90
          capabilities = ["list", "read", "read"]
        }""",
    "comments, commas and a leading slash": """
        # one
        path "/secret/data/a" { // two
          capabilities = ["read", "list",], /* three
          */ min_wrapping_ttl = "1m30s"
          comment = <<-END
            why } this
            END
          allowed_parameters = { "ttl" = ["1h", "2h"], "*" = [] }
        }
        name = "shown nowhere"
        path "b" { capabilities = ["update"] max_wrapping_ttl = 0 }""",
    "JSON": """{"path": {
        "secret/data/a": {"capabilities": ["read", "list"], "min_wrapping_ttl": "90s",
          "allowed_parameters": {"ttl": ["1h", "2h"], "*": []}},
        "b": {"capabilities": ["update"]}}}""",
    "a path in two parts": BASE + 'path "b" { capabilities = ["update"] }',
}

DIFFERENT = {
    "a capability more": BASE.replace('["update"]', '["update", "read"]'),
    "another path": BASE.replace('"b"', '"c"'),
    "another duration": BASE.replace("90s", "91s"),
    "a value more": BASE.replace('"2h"', '"2h", "3h"'),
    "a number for a text": BASE.replace('"2h"', "2"),
    "nothing": "",
    "invalid HCL": "path",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_policies_equal_ignores_order_layout_and_comments(text: str) -> None:
    assert parse_rules(text) == parse_rules(BASE)
    assert policies_equal(text, BASE)


@pytest.mark.parametrize("text", DIFFERENT.values(), ids=DIFFERENT)
def test_policies_equal_detects_different_grants(text: str) -> None:
    assert not policies_equal(text, BASE)


def test_deny_replaces_other_capabilities() -> None:
    assert parse_rules('path "a" { capabilities = ["read", "deny"] }') == {
        Rule("a", frozenset({DENY}))
    }
    two = 'path "a" { capabilities = ["read"] } path "a" { policy = "deny" }'
    assert parse_rules(two) == {Rule("a", frozenset({DENY}))}


def test_policy_shorthand_equals_its_capabilities() -> None:
    assert policies_equal(
        'path "a" { policy = "write" }',
        'path "a" { capabilities = ["create", "read", "update", "delete", "list"] }',
    )


def test_expiration_is_compared_across_time_zones() -> None:
    template = 'path "a" {{ capabilities = ["read"] expiration = "{}" }}'
    one, other = (
        template.format("2030-01-01T12:00:00Z"),
        template.format("2030-01-01T14:00:00+02:00"),
    )
    assert policies_equal(one, other)
    assert not policies_equal(one, template.format("2030-01-01T12:00:01Z"))


def test_escapes_in_a_path_are_decoded() -> None:
    (rule,) = parse_rules(r'path "a\"\\\x41\u00e9\101${b}" { capabilities = ["scan"] }')
    assert rule.path == 'a"\\AéA${b}'


def test_parse_rules_reports_all_faults() -> None:
    text = 'path "a" { capabilities = ["raed"] }\nrule "b" {}\n'
    with pytest.raises(HclError) as caught:
        parse_rules(text, "shop.hcl")
    assert [fault.line for fault in caught.value.errors] == [1, 2]


def test_parse_rules_accepts_all_rendered_policies() -> None:
    declaration = load()
    for environment in declaration.environments:
        for text in render_policies(declaration, environment).values():
            assert parse_rules(text)


@given(st.text(alphabet='path"{}[]=,<-#/\\$ \n\txA0e.', max_size=60))
def test_parse_rules_of_any_text_raises_only_hcl_error(text: str) -> None:
    faults = None
    try:
        parse_rules(text)
    except HclError as error:
        faults = error.errors
    assert faults is None or faults


@given(st.permutations(["read", "list", "update", "sudo"]), st.permutations(["a", "b", "c"]))
def test_parse_rules_ignores_order(capabilities: list[str], paths: list[str]) -> None:
    listed = ", ".join(f'"{name}"' for name in capabilities)
    text = "".join(f'path "{path}" {{ capabilities = [{listed}] }}\n' for path in paths)
    every = frozenset({"read", "list", "update", "sudo"})
    assert parse_rules(text) == {Rule(path, every) for path in "abc"}
