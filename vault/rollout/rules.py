"""Reader of the rules: the built-in ones, with the keys of a team's file in their place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from vault.declare import load
from vault.declare.errors import FieldError, join_names, suggest
from vault.declare.schema.rollout import RolloutFile, RolloutRules
from vault.declare.yaml.document import Document, merge

BUILT_IN: Final = Path(__file__).with_name("rules.yaml")
#: Name of a team's file, beside ``services`` and ``environments``.
FILE: Final = "rollout.yaml"


@cache
def built_in() -> RolloutRules:
    """Return the built-in rules, which have every key."""
    return RolloutRules.model_validate(load.read_document(BUILT_IN).data)


def read_rules(path: Path | None, service: str, known: Collection[str]) -> RolloutRules:
    """Return the rules for *service*, each key from the narrowest place that has it.

    These are the service's entry in the file, the file, and the built-in rules.
    """
    if path is None:
        return built_in()
    data = dict(read_file(path, known).data)
    own = data.pop("services", {}).get(service, {})
    base = load.read_document(BUILT_IN).data
    return RolloutRules.model_validate(merge(merge(base, data), own))


def read_file(path: Path, known: Collection[str]) -> Document:
    """Return the checked file *path*."""
    doc = load.read_document(path)
    load.check_document(RolloutFile, doc, _unknown_services(doc, known))
    return doc


def _unknown_services(doc: Document, known: Collection[str]) -> Iterator[FieldError]:
    services = doc.data.get("services")
    for name in services if isinstance(services, Mapping) else ():
        if name not in known:
            loc, what = ("services", name), f"has the unknown service {name!r}"
            near = suggest(name, known)
            yield FieldError(loc, what, join_names(known), near, subject=("services",))
