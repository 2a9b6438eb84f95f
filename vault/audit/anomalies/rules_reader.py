"""Reader of the rules: the built-in ones, with the keys of a team's file in their place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from vault.declare import load
from vault.declare.errors import FieldError, format_value
from vault.declare.schema.anomalies import AnomalyRules, Rule, RuleName
from vault.declare.yaml.document import Document, merge

BUILT_IN: Final = Path(__file__).with_name("rules.yaml")
#: Name of a team's file, beside ``services`` and ``environments``.
FILE: Final = "anomalies.yaml"
#: Names of the rules, in the order of the built-in file.
NAMES: Final[tuple[RuleName, ...]] = get_args(RuleName)


@cache
def built_in() -> AnomalyRules:
    """Return the built-in rules, which have every key."""
    return AnomalyRules.model_validate(load.read_document(BUILT_IN).data)


def read_rules(path: Path | None) -> AnomalyRules:
    """Return the rules in *path*, with the built-in ones in place of keys that it leaves out."""
    if path is None:
        return built_in()
    doc = load.read_document(path)
    base = load.read_document(BUILT_IN).data
    load.check_document(AnomalyRules, doc, _order_errors(doc, base))
    return AnomalyRules.model_validate(merge(base, doc.data))


def rule_of(rules: AnomalyRules, name: RuleName) -> Rule:
    """Return the rule *name*."""
    rule: Rule = getattr(rules.rules, name)
    return rule


def with_threshold(rules: AnomalyRules, name: RuleName, key: str, value: int) -> AnomalyRules:
    """Return *rules* with another value of one key of the rule *name*."""
    changed = rule_of(rules, name).model_copy(update={key: value})
    return rules.model_copy(update={"rules": rules.rules.model_copy(update={name: changed})})


def _order_errors(doc: Document, base: Mapping[str, Any]) -> list[FieldError]:
    """Return the error of working hours that end before they begin.

    The model cannot know them, because one of the two may be the built-in one.
    """
    rules = merge(base, doc.data)["rules"]
    hours = rules.get("out_of_hours") if isinstance(rules, Mapping) else None
    if not isinstance(hours, Mapping):
        return []
    begin, end = hours.get("begin"), hours.get("end")
    if not isinstance(begin, str) or not isinstance(end, str) or begin < end:
        return []
    loc = ("rules", "out_of_hours", "end" if "end" in _declared(doc) else "begin")
    return [FieldError(loc, f"is {format_value(hours[loc[-1]])}", "'begin' before 'end'")]


def _declared(doc: Document) -> Mapping[str, Any]:
    """Return the team's own keys of the working hours."""
    rules = doc.data.get("rules", {})
    hours = rules.get("out_of_hours", {}) if isinstance(rules, Mapping) else {}
    return hours if isinstance(hours, Mapping) else {}
