"""Builders of the files that run a job, by what runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from agent.jobs import kubernetes, systemd
from agent.jobs.scheduled_job import ScheduledJob

#: What runs the job → function that returns the text of each file, by its path.
BUILDERS: Final[Mapping[str, Callable[[ScheduledJob], dict[str, str]]]] = {
    "kubernetes": kubernetes.build,
    "systemd": systemd.build,
}
