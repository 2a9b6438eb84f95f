from __future__ import annotations

import pytest

from app_integration.names import Environment
from console.views.policy_changes import describe_changes, with_widening
from policies.acl.policy import read_policy
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.plan import Action, Change, Plan, make_plan
from vault.reconcile.planning.prune import Orphan
from vault.reconcile.resources import Fields
from vault.reconcile.resources.marks import MARKED_BY
from vault.reconcile.resources.policies import Policy, PolicyText

READ = 'path "secret/data/parcels/+" {\n  capabilities = ["read"]\n}\n'
READ_ONE = READ.replace("+", "labels")


def fields(text: str) -> Fields:
    return {"policy": PolicyText(text), MARKED_BY: "strongroom"}


def planned(before: str | None, after: str) -> Plan:
    return make_plan([Policy("parcels", after)], [None if before is None else fields(before)])


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (
            READ_ONE,
            READ,
            ["read on secret/data/parcels/+ (parcels:1), such as: read secret/data/parcels/"],
        ),
        (
            READ_ONE,
            READ_ONE.replace('["read"]', '["read", "list"]'),
            ["list on secret/data/parcels/labels (parcels:1)"],
        ),
        (READ, READ_ONE, []),
        (READ, READ.replace("  ", "    "), []),
        (None, READ, []),
        ("path {", READ, ["not compared: the policy on the server cannot be read"]),
    ],
    ids=["wider path", "operation", "narrower path", "same rules", "new policy", "unreadable"],
)
def test_updated_policy_shows_what_it_grants_more(
    before: str | None, after: str, lines: list[str]
) -> None:
    found = with_widening(planned(before, after))

    assert [line for _, line in found.widening] == lines


def test_deleted_policy_grants_nothing_more() -> None:
    orphan = Orphan("policy", "parcels", "sys/policies/acl/parcels")
    deleted = Plan((Change(Action.DELETE, orphan, {}, ()),), 0, ())

    assert with_widening(deleted) is deleted


def test_widening_of_a_policy_needs_no_option() -> None:
    found = with_widening(planned(READ_ONE, READ))

    assert found.obstacles == []
    document = plan_file.document(found, Environment.DEV, None, None)
    assert [each["change"] for each in document["widening"]] == ["update policy parcels"]


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("# widens: all labels, agreed with bo\n", "all labels, agreed with bo"),
        ("# widens: all labels  \n// a further line\n", "all labels"),
        ("# all labels\n", None),
        ("# widens:\n", None),
        ("# widens: something else\n\n", None),
        ('# widens: something else\npath "sys/health" {\n  capabilities = ["read"]\n}\n', None),
    ],
    ids=["reason", "two lines", "no word", "no reason", "empty line", "other rule"],
)
def test_reason_is_the_comment_above_the_rule(comment: str, reason: str | None) -> None:
    old, new = read_policy("parcels", READ_ONE), read_policy("parcels", comment + READ)

    [(name, more, less)] = describe_changes({"parcels": old}, {"parcels": new})

    found = [each.reason for each in more if "parcels/+" in each.text]
    assert (name, found, less) == ("parcels", [reason], [])


def test_reason_that_was_given_before_is_none_for_what_a_rule_allows_now() -> None:
    comment = "# widens: all labels\n"
    denied = 'path "secret/data/parcels/old" {\n  capabilities = ["deny"]\n}\n'
    old, new = (read_policy("parcels", text) for text in (comment + READ + denied, comment + READ))

    [(_, more, _)] = describe_changes({"parcels": old}, {"parcels": new})

    assert [each.reason for each in more] == [None]
