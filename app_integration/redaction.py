"""Keep secret values out of logs and tracebacks.

The public path of :mod:`app_integration.observability.redaction`, which says how it works.
"""

from app_integration.observability.redaction import (
    SecretRegistry,
    install,
    live,
    scrub_record,
    scrubbed,
    sentry_options,
    uninstall,
)

__all__ = [
    "SecretRegistry",
    "install",
    "live",
    "scrub_record",
    "scrubbed",
    "sentry_options",
    "uninstall",
]
