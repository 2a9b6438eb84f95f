"""Configuration of Prometheus: what it scrapes, its rules and its Alertmanager.

The target's label ``component`` is ``server``, ``application`` or ``host``; the alerts use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vault.declare import durations
from vault.declare.schema.monitoring import Application, Monitoring, Scraped
from vault.monitoring.targets import Targets

#: Metrics of the server in the format of Prometheus.
SERVER_PATH: Final = "/v1/sys/metrics"


def build_scrape_file(monitoring: Monitoring, targets: Mapping[str, Targets]) -> dict[str, Any]:
    """Return the content of ``prometheus.yml``."""
    interval = durations.render(monitoring.interval)
    jobs = [job for name, each in targets.items() for job in _jobs(name, each)]
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": ["rules.yml"],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [monitoring.alertmanager]}]}]
        },
        "scrape_configs": jobs,
    }


def _jobs(environment: str, targets: Targets) -> Iterator[dict[str, Any]]:
    scraped = targets.scraped
    if targets.servers:
        yield _server_job(environment, targets)
    for number, application in enumerate(scraped.applications):
        yield _application_job(environment, number, application)
    if scraped.hosts:
        labels = {"environment": environment, "component": "host"}
        yield {
            "job_name": f"strongroom/{environment}/hosts",
            # The files of the checks name their environment themselves.
            "honor_labels": True,
            "static_configs": [{"targets": list(scraped.hosts), "labels": labels}],
        }


def _server_job(environment: str, targets: Targets) -> dict[str, Any]:
    scraped: Scraped = targets.scraped
    labels = {"environment": environment, "component": "server"}
    return {
        "job_name": f"strongroom/{environment}/servers",
        "metrics_path": SERVER_PATH,
        "params": {"format": ["prometheus"]},
        **_access(targets.scheme, scraped.server_token_file, scraped.ca_file),
        "static_configs": [{"targets": list(targets.servers), "labels": labels}],
    }


def _application_job(environment: str, number: int, application: Application) -> dict[str, Any]:
    service = application.service
    labels = {"environment": environment, "component": "application", "service": service}
    return {
        "job_name": f"strongroom/{environment}/{service}/{number}",
        "metrics_path": application.path,
        # The SDK's metrics name their environment and service themselves.
        "honor_labels": True,
        **_access(application.scheme, application.token_file, application.ca_file),
        "static_configs": [
            {"targets": list(application.targets), "labels": {**application.labels, **labels}}
        ],
    }


def _access(scheme: str, token_file: str | None, ca_file: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"scheme": scheme}
    if token_file:
        found["authorization"] = {"credentials_file": token_file}
    if ca_file:
        found["tls_config"] = {"ca_file": ca_file}
    return found
