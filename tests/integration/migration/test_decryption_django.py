"""An encrypted and a plain field of one value in Django, while tokens become plaintext."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from app_integration import database_engine
from tests.integration.migration.test_decryption_command import OpenHouse
from tests.integration.migration.test_reencryption_command import open_house
from tests.support.databases import django_project
from tests.support.models.reencrypted_lodger import VERSIONS
from tests.support.servers.deployment import Deployment

django_project.set_up()

from django.db import models  # noqa: E402 (Django must be set up first)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
)

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]


def name_property(version: str) -> Any:
    """Return the property that reads one of the two fields and writes both."""

    def read(row: Any) -> Any:
        return row.name_old if version in VERSIONS[:2] else row.name_plain

    def write(row: Any, value: Any) -> None:
        if version != "after":
            row.name_old = None if version == "nulling" else value
        if version != "before":
            row.name_plain = value

    return property(read, write)


def lodger_model(version: str) -> Any:
    """Return the model of one version of the application."""

    class Lodger(EncryptedModel):
        id = models.UUIDField(primary_key=True, default=uuid4)
        visits = models.IntegerField(default=0)
        if version != "after":
            name_old: Any = EncryptedField(
                "lodgers.name", index="name_index", null=True, db_column="name"
            )
            name_index = BlindIndexField("lodgers.name", of=["name_old"], rows=100_000)
        if version != "before":
            name_plain = models.CharField(max_length=80, null=True)

        class Meta:
            app_label = f"open_lodgers_{version.replace('-', '_')}"
            db_table = "lodgers"
            managed = False

        name = name_property(version)

        def save(self, *args: Any, **options: Any) -> None:
            # A row may have been loaded before the other column was filled or emptied.
            self.name = self.name
            super().save(*args, **options)

    return Lodger


MODELS: Final = {version: lodger_model(version) for version in VERSIONS}


@pytest.fixture
def house(
    deployment: Deployment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[OpenHouse]:
    file, root = tmp_path / "lodgers.yaml", deployment.layout.root
    house = OpenHouse("plaintext", database_engine(), file, root, monkeypatch, capsys)
    with open_house(house), closing(house.engine.raw_connection()) as raw:
        connection: Any = raw.driver_connection
        with django_project.connected(connection.info):
            yield house


def write(house: OpenHouse, version: str, *, stale: Any = None) -> UUID:
    """Create, change and clear rows by *version*, and save one that was loaded earlier."""
    model = MODELS[version]
    first, second, third, *_ = model.objects.order_by("id")
    row = model.objects.create(name=f"New of {version}")
    house.values[row.pk] = row.name
    first.name = f"Changed by {version}"
    first.save()
    house.values[first.pk] = first.name
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


def test_models_write_plaintext_and_token_of_each_value(house: OpenHouse) -> None:
    house.run("run", "--decrypt", "--yes", code=2)
    write(house, "before")
    key = write(house, "dual-writing")
    stale = MODELS["dual-writing"].objects.order_by("-id").first()
    options = ("--decrypt", "--yes", "--wait", "--postpone", "--duty", "1")
    assert "indexed:" in house.run("run", *options)
    write(house, "dual-writing", stale=stale)
    write(house, "switched")
    assert read("dual-writing") == read("switched") == house.values
    house.run("run")
    write(house, "switched")
    stale = MODELS["nulling"].objects.get(pk=key)
    write(house, "nulling")
    assert read("switched") == house.values
    house.run("run", "--null", "--yes", "--duty", "1")
    write(house, "nulling", stale=stale)
    write(house, "after")
    house.run("run", "--drop", "--yes")
    write(house, "after")
    assert read("after") == house.values


def read(version: str) -> dict[UUID, Any]:
    return {row.pk: row.name for row in MODELS[version].objects.all()}
