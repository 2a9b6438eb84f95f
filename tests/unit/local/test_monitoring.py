"""Monitoring beside a local deployment: the files that its processes run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.layout import Layout
from local.monitoring.local_monitoring import CHECKS, PROGRAMS, MonitoringStack
from local.ports import MonitoringPorts
from local.processes.processes import ProcessManager, StopFailed
from local.processes.program import Program


def test_file_is_not_replaced_while_a_process_runs_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROGRAMS.values():
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))

    def fail(_processes: ProcessManager, name: str) -> None:
        raise StopFailed(f"{name}: does not exit")

    monkeypatch.setattr(ProcessManager, "stop", fail)
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    stack = MonitoringStack(layout, MonitoringPorts())
    checks = Program(CHECKS, ("/bin/true",), tmp_path)
    with pytest.raises(StopFailed):
        stack.start({"prometheus.yml": "{}"}, checks)
    # Otherwise the next start would find the file as it should be, and leave the process as it is.
    assert not (stack.folder / "prometheus.yml").exists()
