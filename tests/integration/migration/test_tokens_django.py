"""Two fields of one value in Django, while tokens become other ones or plaintext."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from tests.support.databases import django_project
from tests.support.migrations.lodgers import House, open_house
from tests.support.models.migrated_lodger import VERSIONS, name_property, read_attribute
from tests.support.processes.command import CommandLine
from tests.support.servers.deployment import Deployment

django_project.set_up()

from django.db import models  # noqa: E402 (Django must be set up first)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
    find,
)

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]


def lodger_model(kind: str, version: str) -> Any:
    """Return the model of one version of the application, whose plan is that of *kind*."""

    class Lodger(EncryptedModel):
        id = models.UUIDField(primary_key=True, default=uuid4)
        visits = models.IntegerField(default=0)
        if version != "after":
            name_old: Any = EncryptedField(
                "lodgers.name", index="name_index", null=True, db_column="name"
            )
            name_index = BlindIndexField("lodgers.name", of=["name_old"], rows=100_000)
        if version != "before" and kind == "plaintext":
            name_new: Any = models.CharField(max_length=80, null=True, db_column="name_plain")
        elif version != "before":
            name_new = EncryptedField(
                "lodgers.name", index="lookup_2", null=True, key="index", db_column="name_2"
            )
            lookup_2 = BlindIndexField("lodgers.name", of=["name_new"], rows=100_000)

        class Meta:
            app_label = f"lodgers_{kind}_{version.replace('-', '_')}"
            db_table = "lodgers"
            managed = False

        name = name_property(version)

        def save(self, *args: Any, **options: Any) -> None:
            # A row may have been loaded before the other column was filled or emptied.
            self.name = self.name
            super().save(*args, **options)

    return Lodger


MODELS: Final = {
    kind: {version: lodger_model(kind, version) for version in VERSIONS}
    for kind in ("key", "plaintext")
}


@pytest.fixture(params=[*MODELS])
def house(
    request: pytest.FixtureRequest,
    deployment: Deployment,
    tmp_path: Path,
    command_line: CommandLine,
) -> Iterator[House]:
    with (
        open_house(request.param, deployment, tmp_path, command_line) as house,
        closing(house.engine.raw_connection()) as raw,
    ):
        connection: Any = raw.driver_connection
        with django_project.connected(connection.info):
            yield house


def write(house: House, version: str, *, stale: Any = None) -> UUID:
    """Create, change and clear rows by *version*, and save one that was loaded earlier."""
    model = MODELS[house.kind][version]
    first, second, third, *_ = model.objects.order_by("id")
    row = model.objects.create(name=f"New of {version}")
    house.values[row.pk] = row.name
    first.name = f"Changed by {version}"
    first.save()
    house.values[first.pk] = first.name
    if house.kind != "plaintext" or read_attribute(version) == "name_old":
        assert first in find(model.objects, read_attribute(version), first.name)
    second.visits += 1
    second.save()
    second.visits += 1
    second.save(update_fields=["visits"])
    third.name = None
    third.save()
    house.values[third.pk] = None
    bulk = model(name=f"Bulk of {version}")
    model.objects.bulk_create([bulk])
    house.values[bulk.pk] = bulk.name
    if stale is not None:
        stale.visits += 1
        stale.save()
        house.values[stale.pk] = stale.name
    key: UUID = row.pk
    return key


def test_models_write_both_fields_of_each_value(house: House) -> None:
    house.run("run", *house.consent, code=2)
    write(house, "before")
    key = write(house, "dual-writing")
    stale = MODELS[house.kind]["dual-writing"].objects.order_by("-id").first()
    options = (*house.consent, "--wait", "--postpone", "--duty", "1")
    assert "indexed:" in house.run("run", *options)
    write(house, "dual-writing", stale=stale)
    write(house, "switched")
    assert read(house, "dual-writing") == read(house, "switched") == house.values
    house.run("run")
    write(house, "switched")
    stale = MODELS[house.kind]["nulling"].objects.get(pk=key)
    write(house, "nulling")
    assert read(house, "switched") == house.values
    house.run("run", "--null", "--yes", "--duty", "1")
    write(house, "nulling", stale=stale)
    write(house, "after")
    house.run("run", "--drop", "--yes")
    write(house, "after")
    assert read(house, "after") == house.values


def read(house: House, version: str) -> dict[UUID, Any]:
    return {row.pk: row.name for row in MODELS[house.kind][version].objects.all()}
