"""Writes of a scoped apply role, whose policy contains the only content that it may write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app_integration.errors import AccessDenied, ConfigurationError
from vault.reconcile.resources import AnyResource


@contextmanager
def explain_denial(resource: AnyResource, *, is_fixed: bool) -> Iterator[None]:
    """Explain a denial of the write in the block, if *is_fixed*.

    Then the apply role may write one content only, which its own policy contains.
    """
    try:
        yield
    except AccessDenied:
        if not is_fixed:
            raise
        raise ConfigurationError(
            f"{resource.kind} {resource.name}: the scoped apply role may not write this; have the "
            "platform team write the output of strongroom environments apply-policy"
        ) from None
