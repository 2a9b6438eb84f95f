"""Redaction of secret values in logs and tracebacks.

This is the public path of :mod:`app_integration.observability.redaction`, which explains how it
works.
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
