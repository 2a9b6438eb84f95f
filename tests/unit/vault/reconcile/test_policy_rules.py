from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.render import render_policies
from vault.declare.load import load
from vault.reconcile.hcl.policy_rules import DENY, Rule, parse_rules, policies_equal
from vault.reconcile.hcl.tree import HclError

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


TEMPLATE = 'path "a" { capabilities = ["read", "list"] %s }'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('pagination_limit = "5"', "pagination_limit = 5"),
        ('pagination_limit = "0x10"', "pagination_limit = 020"),
        ('pagination_limit = "0"', ""),
        ('pagination_limit = "-010"', "pagination_limit = -8"),
        ('pagination_limit = "0_17"', "pagination_limit = 15"),
        ('min_wrapping_ttl = "1.5h"', 'min_wrapping_ttl = "90m"'),
        ('min_wrapping_ttl = "1d"', "min_wrapping_ttl = 86400"),
        ('min_wrapping_ttl = "1500ms"', 'min_wrapping_ttl = "1.5s"'),
        ("min_wrapping_ttl = 1.9", "min_wrapping_ttl = 1"),
        ('max_wrapping_ttl = "-1s"', 'max_wrapping_ttl = "-1000ms"'),
        ('expiration = "2030-01-01T0:00:00Z"', "expiration = 1893456000"),
        ('expiration = "2030-01-01T00:00:00.50Z"', 'expiration = "2030-01-01T00:00:00,5Z"'),
        ('expiration = ""', ""),
        ('policy = ""', ""),
        ("comment = [1]", ""),
        ("required_parameters = [5]", 'required_parameters = ["5"]'),
        ("required_parameters {}", ""),
        ("allowed_parameters { a = [1] a = [2] }", "allowed_parameters { a = [2, 1] }"),
        ("allowed_parameters { a = { b = 1 } }", "allowed_parameters { a = [{ b = 1 }] }"),
    ],
)
def test_notations_of_one_meaning_are_equal(one: str, other: str) -> None:
    assert parse_rules(TEMPLATE % one) == parse_rules(TEMPLATE % other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('min_wrapping_ttl = "1500ms"', 'min_wrapping_ttl = "1s"'),
        ('expiration = "2030-01-01T00:00:00.5Z"', 'expiration = "2030-01-01T00:00:00Z"'),
        ("allowed_parameters { a = [1] a = [2] }", "allowed_parameters { a = [2] }"),
        ("allowed_parameters { a = [[1]] }", "allowed_parameters { a = [[2]] }"),
        ("allowed_parameters { a = [[1, 2]] }", "allowed_parameters { a = [[2, 1]] }"),
        ("allowed_parameters { a = [1] }", "allowed_parameters { a = [true] }"),
    ],
)
def test_notations_of_two_meanings_are_different(one: str, other: str) -> None:
    assert parse_rules(TEMPLATE % one) != parse_rules(TEMPLATE % other)


FACTOR = (
    'factor "x" { controlled_capabilities = ["read", "list"]'
    ' identity { group_names = ["g", "h"] approvals = 2 } }'
)


def test_control_groups_of_one_meaning_are_equal() -> None:
    one = parse_rules(TEMPLATE % f'control_group = {{ ttl = "1h" {FACTOR} }}')
    swapped = FACTOR.replace('"read", "list"', '"list", "read"').replace('"g", "h"', '"h", "g"')
    assert one == parse_rules(TEMPLATE % f"control_group {{ {swapped} ttl = 3600 }}")
    twice = FACTOR.replace('group_names = ["g", "h"]', 'group_names = ["g"] group_names = ["h"]')
    assert one == parse_rules(TEMPLATE % f"control_group {{ {twice} ttl = 3600 }}")
    assert one == parse_rules(
        """{"path": {"a": {"capabilities": ["read", "list"], "control_group": {"ttl": "1h",
        "factor": {"x": {"controlled_capabilities": ["read", "list"],
        "identity": {"group_names": ["g", "h"], "approvals": "2"}}}}}}}"""
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("approvals = 2", "approvals = 1"),
        ('"g", "h"', '"g"'),
        ('"read", "list"', '"read"'),
        ('"x"', '"y"'),
        ('ttl = "1h"', 'ttl = "2h"'),
        ('ttl = "1h"', 'ttl = "1h" self_auth_allowed = true'),
        (FACTOR, FACTOR + FACTOR),
    ],
)
def test_control_groups_of_two_meanings_are_different(old: str, new: str) -> None:
    text = TEMPLATE % f'control_group = {{ ttl = "1h" {FACTOR} }}'
    assert parse_rules(text) != parse_rules(text.replace(old, new))


@pytest.mark.parametrize("path", ["{{a}}", "a/{{identity.entity.id}}/{{b}}/*", "{a}", "{{{a}}}"])
def test_path_with_closed_templates_is_accepted(path: str) -> None:
    (rule,) = parse_rules(f'path "{path}" {{ capabilities = ["read"] }}')
    assert rule.path == path


@pytest.mark.parametrize("path", ["{{a", "a}}", "{{a}}}}", "{{a}}{{", "{{{{a}}}}", "}}{{"])
def test_path_with_unbalanced_template_is_rejected(path: str) -> None:
    with pytest.raises(HclError, match=r"each '\{\{' needs a '\}\}' before the next one"):
        parse_rules(f'path "{path}" {{ capabilities = ["read"] }}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'path "a" {\n allowed_parameters "x" {}\n}',
            "x.hcl:2: path 'a': allowed_parameters takes no name; remove 'x'",
        ),
        (
            'path "a" "b" {}',
            'x.hcl:1: write a path as: path "secret/data/x" { capabilities = [...] }',
        ),
        (
            'path "a" { expiration = "2000-01-01T00:00:00Z" policy = "x" }',
            "x.hcl:1: path 'a': policy is 'x' (expected deny, read, sudo or write)",
        ),
    ],
)
def test_text_that_the_server_misreads_is_rejected(text: str, message: str) -> None:
    with pytest.raises(HclError) as caught:
        parse_rules(text, "x.hcl")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "is_read"),
    [
        ('"2562047h47m16.854775807s"', True),
        ('"2562047h47m16.854775808s"', False),
        ("9223372036", True),
        ("9223372037", False),
        ("-9223372036", True),
        ('"1\u00b5s"', True),
        ('"1\u03bcs"', True),
        ('"1ns1us1ms1s1m1h"', True),
        ('"1d1h"', False),
        ('"1h "', False),
        ('" 1h"', False),
        ('"1"', True),
        ('"1h1"', False),
        ("true", False),
        ("[]", False),
        ("1e999", False),
    ],
)
def test_duration_is_read_as_by_the_server(value: str, *, is_read: bool) -> None:
    assert accepts(f"min_wrapping_ttl = {value}") is is_read


@pytest.mark.parametrize(
    ("value", "is_read"),
    [
        ('"2030-01-31T12:00:00Z"', True),
        ('"2030-01-31T12:00:00.123456789+23:60"', True),
        ('"2030-01-31T12:00:00-24:60"', True),
        ('"2030-01-31T12:00:00+24:61"', False),
        ('"2030-01-31T12:00:00+25:00"', False),
        ('"2030-01-31T12:00:00+0200"', False),
        ('"2030-01-31T24:00:00Z"', False),
        ('"2030-02-30T12:00:00Z"', False),
        ('"2030-01-31 12:00:00Z"', False),
        ('"9223372036854775807"', True),
        ('"9223372036854775808"', False),
        ("0x10", False),
        ("1.5", False),
        ("true", False),
    ],
)
def test_expiration_is_read_as_by_the_server(value: str, *, is_read: bool) -> None:
    assert accepts(f"expiration = {value}") is is_read


@pytest.mark.parametrize(
    ("value", "is_read"),
    [
        ('"+5"', True),
        ('"0o7"', True),
        ('"0_7"', True),
        ('"08"', False),
        ('"1__0"', False),
        ('" 5"', False),
        ('""', False),
        ("5.0", False),
        ("true", False),
        ("9223372036854775807", True),
        ("9223372036854775808", False),
        ("-9223372036854775808", True),
        ("[]", False),
    ],
)
def test_number_of_entries_is_read_as_by_the_server(value: str, *, is_read: bool) -> None:
    assert accepts(f"pagination_limit = {value}") is is_read


def accepts(body: str) -> bool:
    try:
        return bool(parse_rules(TEMPLATE % body))
    except HclError:
        return False


def test_expiration_is_counted_in_utc() -> None:
    texts = (
        "2030-01-31T12:00:00.5-01:30",
        "2030-01-31T13:30:00.500Z",
        "2030-01-31T15:30:00.5+02:00",
    )
    rules = [parse_rules(TEMPLATE % f'expiration = "{text}"') for text in texts]
    assert rules[0] == rules[1] == rules[2]
    assert rules[0] != parse_rules(TEMPLATE % 'expiration = "2030-01-31T12:00:00.5Z"')


def test_filter_of_a_list_needs_no_list_if_the_path_is_denied() -> None:
    text = 'path "a" { capabilities = ["%s"] list_scan_response_keys_filter_path = "{{.key}}" }'
    assert parse_rules(text % "list")
    assert parse_rules(text % "deny")
    with pytest.raises(HclError, match="needs the capability list"):
        parse_rules(text % "scan")


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
