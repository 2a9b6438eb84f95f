"""Templates of policies: the tool's, and those of a repository that replace them."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.nodes import Extends, FromImport, Import, Include
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app_integration.errors import ConfigurationError
from policies import parameters
from policies.coverage import find_missing
from vault.declare import policy_template
from vault.declare.errors import DeclarationError, FileError, join_names
from vault.declare.policy_files import BASES
from vault.declare.policy_template import PolicyTemplate
from vault.reconcile.hcl.policy_rules import PolicyRules, parse_rules
from vault.reconcile.hcl.tree import HclError

# A repository's template may compute with its variables, and nothing else: it reaches no attribute
# with an underscore, changes no value, and without a loader it reads no file.
_environment: Final = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # HCL is not HTML, and names are validated
)
_environment.filters |= {"exact": parameters.exact, "prefix": parameters.prefix}
#: File name that the library gives to a template without one.
_FILE: Final = "<template>"
#: The text between two tags of a template is what is outside of this.
_TAG: Final = re.compile(r"\{[{%#].*?[}%#]\}")
#: Templates of the policies with which a service runs, and the path of a token that stays valid.
_OF_SERVICES: Final = ("service", "starter")
_RENEWAL: Final = "auth/token/renew-self"
#: Errors that a template can cause while it is rendered.
_ERRORS: Final = (
    *(TemplateError, ArithmeticError, AttributeError, ConfigurationError, LookupError),
    *(RuntimeError, TypeError, ValueError),
)
#: Compiled templates that are kept: the tool's, and those of a repository.
_CACHE_SIZE: Final = 64


@cache
def base(name: str) -> str:
    """Return the text of the tool's template *name*, one of :data:`policy_template.NAMES`."""
    return (BASES / f"{name}{policy_template.SUFFIX}").read_bytes().decode()


def base_digest(name: str) -> str:
    """Return the digest of the tool's template *name*."""
    return policy_template.digest(base(name).encode())


def find_outdated(templates: Mapping[str, PolicyTemplate]) -> Iterator[str]:
    """Yield a warning for each template of a repository whose base has changed since."""
    for name, template in sorted(templates.items()):
        if template.base != base_digest(name):
            yield (
                f"{template.file}:1: strongroom's own template has changed since this file "
                f"replaced it; compare with: strongroom policies diff {name}, take over what you "
                f"need, then record that with: strongroom policies override {name} --accept"
            )


def check_syntax(template: PolicyTemplate) -> None:
    """Check the syntax of a repository's template, also of one that no environment uses."""
    try:
        _compile(template.text)
    except TemplateSyntaxError as error:
        raise _error(template, error.lineno, str(error.message)) from None


def render(name: str, templates: Mapping[str, PolicyTemplate], variables: Mapping[str, Any]) -> str:
    """Return the policy that the template *name* renders, which the server takes.

    One of that name in *templates*, the repository's own, is used in place of the tool's.
    """
    own = templates.get(name)
    if own is None:
        return _compile(base(name)).render(variables)
    check_syntax(own)
    try:
        text = _compile(own.text).render(variables)
    except UndefinedError as error:
        reason = f"{error.message} (expected {join_names(variables)})"
        raise _error(own, _line(error), reason) from None
    except _ERRORS as error:
        raise _error(own, _line(error), str(error)) from None
    rules = _parse(own, text)
    if name in _OF_SERVICES:
        needed = parse_rules(_compile(base(name)).render(variables))
        _check_needs(own, name, rules, needed)
    # Without the line of the digest, which grants nothing and changes with the tool.
    return text.partition("\n")[2]


def _parse(own: PolicyTemplate, text: str) -> PolicyRules:
    """Return the rules of *text*, which has the comment above it that it is written with."""
    try:
        return parse_rules(text, own.file)
    except HclError as error:
        lines = text.split("\n")
        raise DeclarationError(
            FileError(
                own.file,
                find_line(own, lines[each.line - 1]),
                f"does not render to a policy: line {each.line - 1} of it: {each.text}",
            )
            for each in error.errors
        ) from None


def find_line(template: PolicyTemplate, rendered: str) -> int:
    """Return the line of *template* that renders to the line *rendered*, 0 if it is not known."""
    found = {}
    for number, line in enumerate(template.text.splitlines(), 1):
        parts = [re.escape(part) for part in _TAG.split(line.strip())]
        if any(parts) and re.fullmatch(".*".join(parts), rendered.strip()):
            found[number] = len("".join(parts))
    return max(found, key=found.__getitem__, default=0)


def _check_needs(own: PolicyTemplate, name: str, rules: PolicyRules, needed: PolicyRules) -> None:
    """Check that *rules* grant what is declared, by their paths.

    Rights that the tool adds by itself may be left out: on leases, on the audit device, and on the
    token, whose renewal a service needs.
    """
    missing = [
        FileError(
            own.file,
            1,
            f"renders to a policy without {join_names(capabilities)} on {path}, which the "
            f"declaration needs; grant it, or compare with: strongroom policies diff {name}",
        )
        for path, capabilities in find_missing(rules, needed)
        if not path.startswith(("auth/token/", "sys/")) or (path, name) == (_RENEWAL, "service")
    ]
    if missing:
        raise DeclarationError(missing)


@lru_cache(_CACHE_SIZE)
def _compile(text: str) -> Template:
    """Return the compiled template."""
    tree = _environment.parse(text)
    for node in tree.find_all((Extends, FromImport, Import, Include)):
        raise TemplateSyntaxError("another template is used; write all of it here", node.lineno)
    return _environment.from_string(tree)


def _error(template: PolicyTemplate, line: int, reason: str) -> DeclarationError:
    return DeclarationError([FileError(template.file, line, f"cannot be rendered: {reason}")])


def _line(error: Exception) -> int:
    """Return the line of the template that raised *error*, 0 if it is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == _FILE), 0)
