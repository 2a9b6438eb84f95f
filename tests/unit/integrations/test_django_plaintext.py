"""Models under migration: queries as before it, all columns at each write, and quiet migrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Final
from uuid import uuid4

import pytest

from app_integration.errors import ConfigurationError, EncryptionError
from app_integration.integrations.plaintext import Phase
from app_integration.testing import MemoryApplication
from tests.support.databases import django_project
from tests.support.databases.memory_keys import memory_key_tables

django_project.set_up()

from django.db import connection, migrations, models  # noqa: E402 (Django must be set up first)
from django.db.migrations.autodetector import MigrationAutodetector  # noqa: E402 (as above)
from django.db.migrations.state import ModelState, ProjectState  # noqa: E402 (as above)
from django.db.migrations.writer import MigrationWriter  # noqa: E402 (as above)
from django.db.models.functions import Concat, Lower  # noqa: E402 (as above)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
    create_index_keys,
)

ROWS: Final = 1_000_000


def user_model(in_phase: Phase) -> Any:
    """Return the model of the application in one phase."""

    class User(EncryptedModel):
        id = models.UUIDField(primary_key=True, default=uuid4)
        visits = models.IntegerField(default=0)
        city = models.TextField(default="")
        email_plain = models.TextField(db_column="email", null=True)  # noqa: DJ001 (as it was)
        born_plain = models.DateField(db_column="born", null=True)
        email = EncryptedField(
            "users.email",
            index="email_index",
            null=True,
            db_column="email_token",
            plaintext="email_plain",
            phase=in_phase,
        )
        born = EncryptedField(
            "users.born",
            date,
            null=True,
            db_column="born_token",
            plaintext="born_plain",
            phase=in_phase,
        )
        email_index = BlindIndexField(
            "users.email", of=["email"], rows=ROWS, normalise="email", db_column="email_lookup"
        )

        class Meta:
            app_label = f"users_{in_phase.name.lower()}"
            db_table = "users"

    return User


MODELS: Final = {phase: user_model(phase) for phase in Phase}
DUAL: Final = MODELS[Phase.DUAL_WRITING]


class PlainUser(models.Model):  # type: ignore[misc] # noqa: DJ008 (Django has no types; never shown)
    """The model before the migration."""

    id = models.UUIDField(primary_key=True)
    visits = models.IntegerField()
    email = models.TextField(null=True)  # noqa: DJ001 (as the table is)
    born = models.DateField(null=True)

    class Meta:  # noqa: D106 (Django's)
        app_label = "users_before"
        db_table = "users"


class Visit(models.Model):  # type: ignore[misc] # noqa: DJ008 (Django has no types; never shown)
    user = models.ForeignKey(DUAL, models.CASCADE)

    class Meta:  # noqa: D106 (Django's)
        app_label = "users_dual_writing"


class PlainVisit(models.Model):  # type: ignore[misc] # noqa: DJ008 (Django has no types; never shown)
    user = models.ForeignKey(PlainUser, models.CASCADE)

    class Meta:  # noqa: D106 (Django's)
        app_label = "users_before"
        db_table = Visit._meta.db_table


@pytest.fixture(autouse=True)
def _tables(vault: MemoryApplication) -> Iterator[None]:
    """Create the tables of the models and of keys."""
    with memory_key_tables(vault), django_project.tables(DUAL, Visit):
        create_index_keys(DUAL)
        yield


@pytest.fixture(params=[*Phase])
def model(request: pytest.FixtureRequest) -> Any:
    """Return the model of each phase."""
    return MODELS[request.param]


def stored() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT email, email_token, email_lookup, born, born_token FROM users")
        return cursor.fetchone()


QUERIES: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "equal": lambda user, _: user.objects.filter(email="b@x.com").values_list("visits"),
    "excluded": lambda user, _: user.objects.exclude(email="b@x.com").values_list("visits"),
    "in": lambda user, _: user.objects.filter(email__in=["a@x.com", "x"]).values_list("visits"),
    "contains": lambda user, _: user.objects.filter(email__contains="@x").values_list("visits"),
    "startswith": lambda user, _: user.objects.filter(email__startswith="b").values_list("visits"),
    "iexact": lambda user, _: user.objects.filter(email__iexact="B@x.com").values_list("visits"),
    "less": lambda user, _: user.objects.filter(email__lt="b").values_list("visits"),
    "null": lambda user, _: user.objects.filter(email__isnull=True).values_list("visits"),
    "none": lambda user, _: user.objects.filter(email=None).values_list("visits"),
    "any of": lambda user, _: user.objects.filter(
        models.Q(email="a@x.com") | models.Q(email__endswith="c@x.com")
    ).values_list("visits"),
    "part of a date": lambda user, _: user.objects.filter(born__year=2001).values_list("visits"),
    "order": lambda user, _: user.objects.order_by("-email").values_list("visits"),
    "order by expression": lambda user, _: user.objects.order_by(
        models.F("email").desc(nulls_last=True)
    ).values_list("visits"),
    "values": lambda user, _: user.objects.values("email", "born"),
    "flat": lambda user, _: user.objects.values_list("email", flat=True),
    "expression": lambda user, _: user.objects.annotate(
        mail=Concat(Lower("email"), models.Value(">", models.TextField()))
    ).values_list("mail"),
    "grouped": lambda user, _: user.objects.values("email").annotate(number=models.Count("id")),
    "aggregate": lambda user, _: [user.objects.aggregate(last=models.Max("email"))],
    "distinct": lambda user, _: user.objects.values_list("email").distinct(),
    "subquery": lambda user, _: user.objects.filter(
        email__in=user.objects.filter(visits__lt=2).values("email")
    ).values_list("visits"),
    "related": lambda _, visit: visit.objects.filter(user__email="b@x.com").values_list("id"),
    "values of related": lambda _, visit: visit.objects.order_by("user__email").values_list(
        "user__email"
    ),
    "loaded with related": lambda _, visit: [
        each.user.email for each in visit.objects.select_related("user")
    ],
    "only": lambda user, _: [each.email for each in user.objects.only("email")],
    "defer": lambda user, _: [each.email for each in user.objects.defer("email")],
    "only the second": lambda user, _: [
        (each.email, each.born) for each in user.objects.only("born")
    ],
    "defer both": lambda user, _: [
        (each.email, each.born) for each in user.objects.defer("born", "email")
    ],
    "get": lambda user, _: [user.objects.get(email="b@x.com").visits],
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_query_of_a_dual_writing_model_is_that_before_the_migration(
    query: Callable[[Any, Any], Any],
) -> None:
    for number, email in enumerate(["a@x.com", "b@x.com", "c@x.com", None]):
        born = date(2000 + number, 1, 1)
        row = DUAL.objects.create(email=email, born=born, visits=number)
        Visit.objects.create(user=row)
    before = list(query(PlainUser, PlainVisit))
    assert list(query(DUAL, Visit)) == before
    assert before


def test_assigned_value_is_that_of_the_plaintext_field_too(model: Any) -> None:
    row = model(email="a@x.com")
    row.email = "b@x.com"
    assert row.email_plain == (None if model is MODELS[Phase.NULLING] else "b@x.com")


def test_partly_loaded_object_is_saved_as_a_whole(model: Any) -> None:
    model.objects.create(email="a@x.com", born=date(2001, 1, 1))
    before = stored()
    row = model.objects.only("email").get()
    row.email = "b@x.com"
    row.save()
    after = stored()
    assert after[0] == (None if model is MODELS[Phase.NULLING] else "b@x.com")
    assert after[1] != before[1]
    assert after[2] != before[2]
    assert after[3:] == before[3:]
    assert model.objects.get().email == "b@x.com"


def test_row_that_was_not_backfilled_is_not_saved_as_a_whole() -> None:
    DUAL.objects.create(email="a@x.com")
    DUAL.objects.update(email_index=None)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE users SET email_token = NULL")
    for phase in (Phase.SWITCHED, Phase.NULLING):
        row = MODELS[phase].objects.get()
        with pytest.raises(EncryptionError, match="a plaintext and no token"):
            row.save()  # its index value is not known
    assert stored()[:2] == ("a@x.com", None)


def test_change_of_the_phase_is_a_migration_without_sql() -> None:
    fields = [EncryptedField("x.email", plaintext="plain", phase=phase) for phase in Phase]
    with connection.schema_editor(collect_sql=True) as editor:
        for field in fields:
            field.set_attributes_from_name("email")
            editor.alter_field(DUAL, fields[0], field)
        assert editor.collected_sql == []
    assert fields[0].deconstruct()[3]["phase"] == "dual-writing"


def test_migrations_of_a_model_are_quiet(model: Any) -> None:
    for each in model._meta.local_fields:
        text, _ = MigrationWriter.serialize(each)
        assert "Phase" not in text
        assert each.clone().deconstruct()[1:] == each.deconstruct()[1:]
    state = ProjectState()
    state.add_model(ModelState.from_model(model))
    rebuilt = ProjectState()
    rebuilt.add_model(ModelState.from_model(state.apps.get_model(model._meta.label)))
    assert MigrationAutodetector(rebuilt, state)._detect_changes() == {}


def test_state_operations_lead_from_the_plain_model_to_the_phases() -> None:
    """Those that the documentation names."""
    app, name = DUAL._meta.app_label, DUAL._meta.model_name
    field, index = (DUAL._meta.get_field(each) for each in ("email", "email_index"))
    before, wanted = ProjectState(), ProjectState()
    key = DUAL._meta.get_field("id").clone()
    fields = [("id", key), ("email", models.TextField(null=True))]
    before.add_model(ModelState(app, "User", fields, {"db_table": "users"}))
    operations = [
        migrations.RenameField(name, "email", "email_plain"),
        migrations.AlterField(name, "email_plain", models.TextField(db_column="email", null=True)),
        migrations.AddField(name, "email", field.clone()),
        migrations.AddField(name, "email_index", index.clone()),
    ]
    migration = migrations.Migration("0002_dual_writing", app)
    migration.operations = [migrations.SeparateDatabaseAndState(state_operations=operations)]
    after = migration.mutate_state(before)
    with connection.schema_editor(collect_sql=True) as editor:
        migration.apply(before.clone(), editor, collect_sql=True)
        assert [each for each in editor.collected_sql if not each.startswith("--")] == []
    rebuilt = after.apps.get_model(app, "User")
    order = [each.name for each in rebuilt._meta.fields]
    assert order == ["id", "email_plain", "email", "email_index"]
    kept = {each: DUAL._meta.get_field(each).clone() for each in order}
    wanted.add_model(ModelState(app, "User", kept, {"db_table": "users"}))
    assert MigrationAutodetector(after, wanted)._detect_changes() == {}


def test_makemigrations_leads_to_the_last_version() -> None:
    """Django removes the plaintext field before it alters the encrypted one."""
    nulling = MODELS[Phase.NULLING]
    before, wanted = ProjectState(), ProjectState()
    before.add_model(ModelState.from_model(nulling))
    last = ModelState.from_model(nulling)
    for name in ("email", "born"):
        del last.fields[f"{name}_plain"]
        last.fields[name].plaintext = None
    wanted.add_model(last)
    (made,) = MigrationAutodetector(before, wanted)._detect_changes()[last.app_label]
    assert [type(each).__name__ for each in made.operations] == 2 * ["RemoveField"] + 2 * [
        "AlterField"
    ]
    with connection.schema_editor() as editor:
        after = made.apply(before.clone(), editor)
    assert MigrationAutodetector(after, wanted)._detect_changes() == {}
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "users")
    assert not {"email", "born"} & {each.name for each in columns}


def test_model_of_a_migration_writes_the_pair(model: Any) -> None:
    """A data migration uses a model that Django rebuilds from the fields."""
    state = ProjectState()
    state.add_model(ModelState.from_model(model))
    historical = state.apps.get_model(model._meta.label)
    assert not issubclass(historical, EncryptedModel)
    historical.objects.create(email="a@x.com")
    row = historical.objects.get()
    row.email = "b@x.com"
    row.save()
    assert stored()[0] == (None if model is MODELS[Phase.NULLING] else "b@x.com")
    assert model.objects.get().email == "b@x.com"


def test_wrong_declaration_raises() -> None:
    with pytest.raises(ConfigurationError, match="there is no phase ''"):
        EncryptedField("x.email", plaintext="email_plain")
    with pytest.raises(ConfigurationError, match="name it with plaintext="):
        EncryptedField("x.email", phase="switched")
    for fields in (
        ["email"],
        ["email", "email_plain"],
    ):
        known: dict[str, Any] = {
            "email_plain": models.TextField(),
            "id": models.UUIDField(primary_key=True, default=uuid4),
            "email": EncryptedField("x.email", plaintext="email_plain", phase="switched"),
        }
        known["email_plain"].creation_counter = known["email"].creation_counter + 1
        space = {name: known[name] for name in ["id", *fields]}
        meta = type("Meta", (), {"app_label": "wrong"})
        with pytest.raises(ConfigurationError, match="declare a field of that name before it"):
            type(
                f"Wrong{len(fields)}",
                (EncryptedModel,),
                {"__module__": __name__, "Meta": meta, **space},
            )
