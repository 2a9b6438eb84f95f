"""Remarks of an import for the operator, which never contain a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vault.declare.application_variables import setting_text
from vault.dotenv.classify import Kind
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.parse import DotenvFile, Variable
from vault.dotenv.proof import values_equal
from vault.dotenv.provided import SERVERS
from vault.dotenv.text import secret_comments
from vault.dotenv.variable_names import declared_form, secret_name


def find_notes(
    file: DotenvFile,
    kinds: Mapping[str, Kind],
    declared: DeclaredVariables,
    replaced: Mapping[str, Variable],
    twins: Mapping[str, str],
) -> Iterator[str]:
    """Return the remarks about an import, without values.

    Args:
        file: Parsed file.
        kinds: Kind of each variable.
        declared: Declared secrets and settings of the service before the import.
        replaced: Secret name → variable whose value the deployment replaces by its own.
        twins: Other variable with the value of a replaced one → the secret of that one.

    """
    for name, variable in file.variables.items():
        *earlier, last = variable.lines
        if earlier:
            lines = ", ".join(map(str, earlier))
            yield f"{name} is set on line {lines} and again on line {last}, which takes effect"
        if variable.uses:
            yield f"{name} uses ${{{'}, ${'.join(sorted(variable.uses))}}}, as python-dotenv does"
        setting = declared.settings.get(name)
        there = declared.values.get(setting) if setting else None
        if setting and (there is None or not values_equal(setting_text(there), variable.value)):
            yield (
                f"{name} differs from the declared setting {setting}: the file keeps its value, "
                "and a delivered config has the declared one"
            )
        if kinds[name] is Kind.SKIP:
            yield f"{name} was skipped: it stays in the file and is not declared"
        elif kinds[name] is not Kind.PART and declared_form(name) != name:
            yield _mapping(name, kinds[name])
    secrets = [name for name, kind in kinds.items() if kind is Kind.SECRET]
    for line in secret_comments(file, secrets) if secrets else ():
        yield f"the comment on line {line} may contain a secret; the new file omits it"
    for secret, variable in replaced.items():
        yield (
            f"{variable.name}: on this machine {declared.scope.service} gets a "
            f"{SERVERS.get(secret, 'mail server')} of its own, so the file's value is not used; "
            "it stays in the backup only"
        )
    for name, secret in twins.items():
        other = replaced[secret].name if secret in replaced else secret
        yield f"{name} has the value of {other}, and gets the same one again"


def _mapping(name: str, kind: Kind) -> str:
    """Return the remark about a variable whose declared form differs from its name."""
    declared, form = secret_name(name), declared_form(name)
    if kind is Kind.SECRET:
        return (
            f"{name} becomes the secret {declared}: the service reads it by "
            f'get_secret("{declared}"), and export-env writes it as {form}'
        )
    return (
        f"{name} becomes the setting {declared}: the file keeps it as {name}, and export-env "
        f"writes it as {form}"
    )
