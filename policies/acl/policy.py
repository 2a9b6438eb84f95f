"""Policy: its rules in their order, each with the place where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.acl.grant import Grant, Origin, make_grant
from policies.acl.identity import Identity, fill, is_templated
from policies.acl.pattern import parse_pattern
from vault.reconcile.hcl.policy_rules import read_rules

#: The policy that allows everything; it has no rules.
ROOT: Final = "root"


@dataclass(frozen=True, slots=True)
class Rights:
    """What a rule allows by itself, until *expiration* in nanoseconds since 1970 (0: always)."""

    grant: Grant
    expiration: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that was read. Make one with :func:`read_policy`.

    *namespace* is empty for the root namespace, else it ends with a slash. *forbidden* are the
    characters that the text for a template may not have.
    """

    name: str
    file: str
    text: str
    origins: tuple[Origin, ...]
    namespace: str
    forbidden: str
    _rights: tuple[Rights, ...] | None

    def rights(self, identity: Identity | None) -> Iterator[Rights]:
        """Yield what each rule allows a token of *identity*; not one without its template's text.

        Raise ForbiddenText as :func:`policies.acl.identity.fill` does.
        """
        if self._rights is not None:
            yield from self._rights
            return
        for origin in self.origins:
            path = fill(origin.rule.path, identity, self.forbidden)
            if path is not None:
                yield _make_rights(self.namespace, path.removeprefix("/"), origin)


def read_policy(
    name: str,
    text: str,
    file: str | None = None,
    *,
    namespace: str = "",
    wildcards_in_templates: bool = False,
    slashes_in_templates: bool = False,
) -> Policy:
    """Return the policy *name* whose HCL, or JSON form of it, is *text*.

    Args:
        name: Its name on the server, which has none in upper case.
        text: Its rules.
        file: Where it is written, for messages; by default its name.
        namespace: The namespace that it is in, such as ``team/``.
        wildcards_in_templates: The policy's ``allow_wildcards_in_identity_templates``.
        slashes_in_templates: The policy's ``allow_slashes_in_identity_templates``.

    Raises:
        HclError: The server takes no such text.

    """
    file = file or name
    origins = tuple(Origin(name, file, rule) for rule in read_rules(text, file))
    forbidden = ("" if slashes_in_templates else "/") + ("" if wildcards_in_templates else "*+")
    rights = None
    if not any(is_templated(each.rule.path) for each in origins):
        rights = tuple(_make_rights(namespace, each.rule.path, each) for each in origins)
    return Policy(name.lower(), file, text, origins, namespace, forbidden, rights)


def _make_rights(namespace: str, path: str, origin: Origin) -> Rights:
    constraints = dict(origin.rule.constraints)
    expiration = constraints.get("expiration", 0)
    grant = make_grant(parse_pattern(namespace + path), origin)
    return Rights(grant, expiration if isinstance(expiration, int) else 0)
