"""Filter patterns of CloudWatch for log events in JSON, as text.

Each comparison stands in parentheses, because AWS documents no precedence. A value may begin and
end with ``*``.
"""

from __future__ import annotations

from typing import Final

from app_integration.errors import ConfigurationError

_MAX_LENGTH: Final = 1024


def equals(field: str, *values: str) -> str:
    """Return a term for a field that has one of *values*. A field that is absent has none."""
    return any_of(*(f'$.{field} = "{value}"' for value in values))


def differs(field: str, value: str, *others: str) -> str:
    """Return a term for a field that is absent, or has none of the values.

    AWS does not say whether ``!=`` holds for a field that is absent, so that is a term of its own.
    """
    unlike = (f'$.{field} != "{each}"' for each in (value, *others))
    return any_of(f"$.{field} NOT EXISTS", all_of(*unlike))


def all_of(*terms: str) -> str:
    """Return a term that holds if each of *terms* does."""
    return _join("&&", terms)


def any_of(*terms: str) -> str:
    """Return a term that holds if one of *terms* does."""
    return _join("||", terms)


def build_pattern(name: str, term: str) -> str:
    """Return the pattern of *term*.

    Args:
        name: The filter, for the error.
        term: The term.

    Raises:
        ConfigurationError: If it is longer than CloudWatch allows.

    """
    text = f"{{ {term} }}"
    if len(text) > _MAX_LENGTH:
        raise ConfigurationError(
            f"the pattern of the metric filter {name} has {len(text)} characters, and CloudWatch"
            f" allows {_MAX_LENGTH}; declare fewer iam_roles"
        )
    return text


def _join(operator: str, terms: tuple[str, ...]) -> str:
    if len(terms) == 1:
        return terms[0]
    return f" {operator} ".join(f"({term})" for term in terms)
