"""Request for a view: what it asks for, its sources, and the frame around the response."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from jinja2 import Environment as Templates
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console.page.sources.cached_source import CachedSource, Reading, refresh
from console.page.sources.sources import Clock, EnvironmentSources, Sources
from console.page.urls import build_url
from console.views.cells import Link
from console.views.times import show_seconds
from vault.declare.errors import join_names

#: Seconds that a request waits for its sources. What takes longer is shown by a later one.
WAIT_SECONDS: Final = 0.4
#: Most characters of a text in an address.
_MAX_TEXT: Final = 200
#: Seconds after which a browser asks again for a page with a source that is being read.
_RELOAD_SECONDS: Final = 1
#: Views in the navigation of each page, by their path.
NAVIGATION: Final = (
    ("/", "Overview"),
    ("/values", "Values"),
    ("/reads", "Reads"),
    ("/anomalies", "Anomalies"),
    ("/alerts", "Alerts"),
    ("/rotations", "Rotations"),
    ("/leases", "Leases"),
    ("/migrations", "Migrations"),
    ("/plan", "Plan"),
    ("/compare", "Compare"),
)


@dataclass(frozen=True, slots=True)
class SourceLine:
    """What the page says of one source: when it was read, or why it was not."""

    label: str
    age: str
    problem: str | None
    is_pending: bool


@dataclass(frozen=True, slots=True)
class PageParts:
    """What all requests share."""

    sources: Sources
    clock: Clock
    templates: Templates


class PageRequest:
    """Request for a view."""

    def __init__(self, request: Request, parts: PageParts) -> None:
        self.now: datetime = parts.clock()
        self.sources = parts.sources
        self.path_params = request.path_params
        self._request = request
        self._templates = parts.templates
        self._used: list[CachedSource[Any]] = []

    def text(self, name: str) -> str:
        """Return what the address says of *name*, empty if nothing."""
        return self._request.query_params.get(name, "").strip()[:_MAX_TEXT]

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """Return what the address says of *name*, empty if nothing."""
        found = self.text(name)
        if found and found not in allowed:
            raise HTTPException(
                HTTPStatus.BAD_REQUEST,
                f"{name} is {found!r} in the address; expected {join_names(sorted(allowed))}",
            )
        return found

    def number(self, name: str) -> int:
        """Return the positive number that the address says of *name*, 1 if none."""
        found = self.text(name) or "1"
        if not (found.isascii() and found.isdigit() and 0 < int(found) < 10**6):
            raise HTTPException(
                HTTPStatus.BAD_REQUEST, f"{name} is {found!r} in the address; expected a number"
            )
        return int(found)

    def find_environment(self) -> EnvironmentSources | None:
        """Return the environment in the address, None if none is."""
        name = self.choice("env", self.sources.keys())
        return self.sources[name] if name else None

    def environment(self) -> EnvironmentSources:
        """Return the environment in the address, by default the first one."""
        return self.find_environment() or next(iter(self.sources.values()))

    def use(self, *sources: CachedSource[Any]) -> None:
        """Read *sources* if they are too old, all at once, before the view asks for them."""
        refresh(sources, WAIT_SECONDS)
        self._used += sources

    def render(
        self,
        template: str,
        title: str,
        *,
        crumbs: Sequence[Link] | None = None,
        environment: EnvironmentSources | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        **parts: Any,
    ) -> Response:
        """Return a page."""
        name = None if environment is None else environment.name
        if crumbs is None:
            crumbs = () if name is None else (Link(name, build_url("/", env=name)),)
        lines = [self._line(source.get()) for source in self._used]
        text = self._templates.get_template(template).render(
            title=title,
            crumbs=crumbs,
            environment=name,
            navigation=[
                Link(label, build_url(path, env=name), self._is_in(path))
                for path, label in NAVIGATION
            ],
            switch=self._switch(name),
            lines=lines,
            problems=_group_problems(lines),
            now=self.now,
            **parts,
        )
        is_pending = any(line.is_pending for line in lines)
        headers = {"Refresh": str(_RELOAD_SECONDS)} if is_pending else {}
        return HTMLResponse(text, status, headers)

    def _is_in(self, path: str) -> bool:
        here = self._request.url.path
        return here == path or (path != "/" and here.startswith(path.rstrip("s")))

    def _switch(self, name: str | None) -> list[Link]:
        """Return the same view of each environment, if there are several."""
        if len(self.sources) == 1:
            return []
        path = "/values" if self.path_params else self._request.url.path
        own = [Link(each, build_url(path, env=each), each == name) for each in self.sources]
        return [Link("all", "/", name is None), *own] if path == "/" else own

    def _line(self, reading: Reading[Any]) -> SourceLine:
        age = "" if reading.read_at is None else show_seconds(self.now - reading.read_at)
        return SourceLine(reading.name, age, reading.problem, reading.is_pending)


def _group_problems(lines: Sequence[SourceLine]) -> dict[str, list[SourceLine]]:
    """Return the sources of each problem, so that one outage is shown once."""
    found: dict[str, list[SourceLine]] = {}
    for line in lines:
        if line.problem is not None:
            found.setdefault(line.problem, []).append(line)
    return found
