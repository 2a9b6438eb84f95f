"""Start of the local deployment by ``import-env``: when it is needed, and who agrees to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from app_integration.errors import ConfigRejected, StrongroomError
from app_integration.names import Environment, Scope
from console.commands.start import env_import
from console.commands.start.env_creation import CreationOptions
from console.commands.start.env_import import EnvImport
from console.target.target import Target, open_target
from local.services.local_agent import ValuesMissing
from vault.dotenv.choices import Choices

SCOPE = Scope("labels", Environment.DEV)


@dataclass
class Local:
    """Deployment that records each set-up."""

    is_running: bool = True
    is_complete: bool = True
    failures: dict[str, StrongroomError] = field(default_factory=dict)
    set_ups: int = 0

    @property
    def servers(self) -> Any:
        return SimpleNamespace(
            status=lambda: [SimpleNamespace(running=self.is_running)], agent_host=object()
        )

    def is_set_up(self, _service: str) -> bool:
        return self.is_complete

    def set_up(self, _service: str, _step: object) -> Any:
        self.set_ups += 1
        return SimpleNamespace(failures=self.failures)


def prepare(
    monkeypatch: pytest.MonkeyPatch,
    local: Local,
    *,
    is_new: bool = False,
    create: bool = False,
    terminal: bool = False,
) -> bool:
    monkeypatch.setattr(Target, "is_local", True)
    monkeypatch.setattr(Target, "local_deployment", lambda _root: local)
    monkeypatch.setattr(env_import, "startable_deployment", lambda _target: local)
    monkeypatch.setattr(env_import, "has_terminal", lambda: terminal)
    options = CreationOptions(is_confirmed=create)
    return EnvImport(open_target(SCOPE.environment), SCOPE.service, Choices(), options)._prepare(
        is_new=is_new
    )


def test_service_that_runs_is_not_set_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    local = Local()
    assert not prepare(monkeypatch, local, create=True)
    assert local.set_ups == 0


@pytest.mark.parametrize(
    ("local", "options"),
    [
        (Local(), {"is_new": True}),
        (Local(is_running=False), {"is_new": True}),
        (Local(is_complete=False), {}),
        (Local(is_running=False), {"create": True}),
    ],
    ids=["new", "new-and-stopped", "incomplete", "stopped"],
)
def test_service_is_set_up_if_it_is_new_or_incomplete(
    monkeypatch: pytest.MonkeyPatch, local: Local, options: dict[str, bool]
) -> None:
    assert prepare(monkeypatch, local, **options)
    assert local.set_ups == 1


def test_stopped_deployment_is_started_only_if_somebody_agrees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = Local(is_running=False)
    assert not prepare(monkeypatch, local)
    assert local.set_ups == 0
    asked: list[str] = []
    monkeypatch.setattr(typer, "confirm", lambda text, **_: asked.append(text))
    assert prepare(monkeypatch, local, terminal=True)
    assert (asked, local.set_ups) == (["The local deployment does not run; start it?"], 1)


def test_only_missing_values_of_the_service_itself_are_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, rejected = ValuesMissing(SCOPE, ["a-key"]), ConfigRejected("page_size is no integer")
    assert prepare(
        monkeypatch, Local(failures={"labels": missing, "routes": rejected}), is_new=True
    )
    assert "note: page_size is no integer" in capsys.readouterr().out
    with pytest.raises(ConfigRejected, match="page_size"):
        prepare(monkeypatch, Local(failures={"labels": rejected}), is_new=True)
