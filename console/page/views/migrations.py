"""View of migrations: what ``migrate status`` says of each."""

from __future__ import annotations

from starlette.responses import Response

from console.page.page_request import PageRequest


def show_migrations(request: PageRequest) -> Response:
    """Return the view of one environment."""
    environment = request.environment()
    source = environment.migrations
    if source is not None:
        request.use(source)
    return request.render(
        "migrations.html.j2",
        "Migrations",
        environment=environment,
        is_named=source is not None,
        migrations=None if source is None else source.get().value,
        command=environment.commands.show_migrations(),
    )
