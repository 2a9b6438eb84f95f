"""Exception hooks of the interpreter that redact secret values.

Each function wraps the hook that was set before. The interpreter's own hook is replaced by one that
prints redacted text. Another hook is called with a redacted exception.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from app_integration.observability.scrubber import scrub_exception
from app_integration.observability.secret_registry import SecretRegistry

_Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def exception_hook(previous: _Hook, registry: SecretRegistry) -> _Hook:
    """Return a ``sys.excepthook`` that redacts and then acts as *previous* does."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if previous is sys.__excepthook__:
            _print("", error, registry)
            return
        # Another hook prints or sends the exception, so the exception itself is redacted.
        scrub_exception(error, registry)
        previous(kind, error, trace)

    return hook


def thread_hook(previous: Any, registry: SecretRegistry) -> Any:
    """Return a ``threading.excepthook`` that redacts and then acts as *previous* does."""

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or args.exc_type is SystemExit:
            previous(args)
        elif previous is threading.__excepthook__:
            name = args.thread.name if args.thread else "?"
            _print(f"Exception in thread {name}:\n", args.exc_value, registry)
        else:
            scrub_exception(args.exc_value, registry)
            previous(args)

    return hook


def unraisable_hook(previous: Any, registry: SecretRegistry) -> Any:
    """Return a ``sys.unraisablehook`` that redacts and then acts as *previous* does."""

    def hook(args: Any) -> None:
        if args.exc_value is not None and previous is sys.__unraisablehook__:
            where = f"{args.err_msg or 'Exception ignored in'}: {args.object!r}\n"
            _print(where, args.exc_value, registry)
            return
        if args.exc_value is not None:
            scrub_exception(args.exc_value, registry)
        previous(args)

    return hook


def _print(head: str, error: BaseException, registry: SecretRegistry) -> None:
    if sys.stderr is not None:  # it is None in a process without a console
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(registry.scrub(f"{head}{text}"))
