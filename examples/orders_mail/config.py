"""Model of the delivered config file: ``agent/templates/orders-mail/worker.toml.j2``."""

from __future__ import annotations

from examples.config_sections import Database, Redis, Section, Smtp


class WorkerConfig(Section):
    """Whole config of the worker, with its secrets."""

    database: Database
    queue: Redis
    smtp: Smtp
