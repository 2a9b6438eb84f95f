"""Spans of OpenTelemetry around what the SDK does, and the header that leads to the audit log.

The API is not imported here. An application that traces has loaded it before its first request, and
otherwise nothing is recorded or sent. Spans have names and counts, never values.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import ModuleType
from typing import Any, Final

from app_integration.errors import StrongroomError

#: Header of each request with the trace id, for servers that have it in their audit log.
HEADER: Final = "X-Correlation-ID"
_API: Final = "opentelemetry.trace"
_TRACER: Final = "strongroom-sdk"
_PREFIX: Final = "strongroom"

Attribute = str | int | None


def span(
    operation: str, /, **attributes: Attribute
) -> AbstractContextManager[dict[str, Attribute]]:
    """Record the block as a span of the current trace, if the application traces.

    The block may add to the attributes, which it gets. A StrongroomError is recorded by the name of
    its class alone.
    """
    api = _loaded_api()
    return nullcontext(attributes) if api is None else _record(api, operation, attributes)


@contextmanager
def _record(
    api: Any, operation: str, attributes: dict[str, Attribute]
) -> Iterator[dict[str, Attribute]]:
    with api.get_tracer(_TRACER).start_as_current_span(
        f"{_PREFIX}.{operation}",
        kind=api.SpanKind.CLIENT,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield attributes
        except StrongroomError as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(api.StatusCode.ERROR)
            raise
        finally:
            for name, value in attributes.items():
                if value is not None:
                    current.set_attribute(f"{_PREFIX}.{name}", value)


def correlation_headers() -> dict[str, str]:
    """Return the header with the id of the current trace, or none if there is no trace.

    Without an SDK of OpenTelemetry the id is zero, which would lead nowhere.
    """
    api = _loaded_api()
    context = api.get_current_span().get_span_context() if api is not None else None
    return {HEADER: f"{context.trace_id:032x}"} if context is not None and context.is_valid else {}


def _loaded_api() -> ModuleType | None:
    """Return the API's module; None if the application has not, or not wholly, imported it."""
    api = sys.modules.get(_API)
    return api if hasattr(api, "__all__") else None  # its last statement
