from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from vault.declare import load
from vault.declare.schema.secret_sources import Derived, Given, SecretSource
from vault.dotenv.choices import Choices
from vault.dotenv.classify import Kind
from vault.dotenv.declared_variables import DeclaredVariables, declared_variables
from vault.dotenv.deployment_secrets import Provided
from vault.dotenv.kinds import Ask
from vault.dotenv.parse import InvalidDotenv, parse
from vault.dotenv.plan import ImportPlan, build_import_plan

FOLDER = Path(__file__).parents[3] / "faults" / "dotenv"
DECLARATION = load.load(FOLDER / "declaration", template_root=FOLDER)
SCOPE = Scope("shop", Environment.DEV)
DECLARED = declared_variables(DECLARATION, SCOPE)


def planned(
    text: str,
    ask: Ask | None = None,
    provided: Provided | None = None,
    declared: DeclaredVariables = DECLARED,
    **choices: frozenset[str],
) -> ImportPlan:
    file = parse(Path(".env"), text.encode())
    return build_import_plan(file, declared, Choices(**choices), ask, provided)


def test_declared_variables_have_their_declared_kind() -> None:
    plan = planned("DB_PASSWORD=12\nJWT_SECRET=true\nBASE_URL=https://shop.example.com\n")
    assert list(plan.secrets) == ["db-password", "jwt-secret"]
    assert plan.kinds["BASE_URL"] is Kind.SETTING
    assert not plan.new_secrets
    assert not plan.new_settings


def test_undeclared_variables_extend_the_declaration() -> None:
    plan = planned("API_TOKEN=hunter2\nPORT=80\nDEBUG=false\nLOG_LEVEL=info\nBUILD_VERSION=010\n")
    assert plan.new_secrets == {"api-token": {"source": "given"}}
    assert plan.new_settings == {
        "port": {"type": "integer", "default": 80},
        "debug": {"type": "boolean", "default": False},
        "log-level": {"type": "text", "default": "info"},
        "build-version": {"type": "text", "default": "010"},
    }
    assert plan.declared == ("api-token", "database-url", "db-password", "jwt-secret")


def test_debugging_is_declared_as_off_with_a_note() -> None:
    plan = planned("DEBUG=true\nAPP_DEBUG=True\ndebugMode=1\nDEBUG_PORT=5678\nDEBUGGER=true\n")
    assert {name: spec["default"] for name, spec in plan.new_settings.items()} == {
        "debug": False,
        "app-debug": "False",
        "debug-mode": 0,
        "debug-port": 5678,
        "debugger": True,
    }
    notes = [each for each in plan.notes if "turns debugging on" in each]
    assert [each.partition(" ")[0] for each in notes] == ["DEBUG", "APP_DEBUG", "debugMode"]
    assert notes[0].endswith("add to shop in environments/dev.yaml: settings: {debug: …}")


def test_declared_debug_switch_keeps_its_declaration() -> None:
    declared = DeclaredVariables(SCOPE, {}, {"DEBUG": "debug"}, {"debug": True})
    plan = planned("DEBUG=true\n", declared=declared)
    assert (plan.new_settings, plan.notes) == ({}, ())


def test_ask_is_called_only_for_unclear_variables_with_the_reason() -> None:
    asked: dict[str, str] = {}
    answers = {"MAGIC": "secret", "GREETING": "setting", "ODD": "skip"}

    def ask(name: str, hint: str) -> str:
        asked[name] = hint
        return answers[name]

    plan = planned("PORT=80\nMAGIC=hunter2\nGREETING=hello\nODD=hunter3\n", ask)
    assert asked.keys() == answers.keys()
    assert asked["MAGIC"] == "neither its name nor its value decides"
    assert {name: str(plan.kinds[name]) for name in answers} == answers
    assert list(plan.new_secrets) == ["magic"]
    assert list(plan.new_settings) == ["port", "greeting"]
    assert "ODD was skipped: it stays in the file and is not declared" in plan.notes


def test_choices_take_precedence_over_classification() -> None:
    plan = planned(
        "MAGIC=hunter2\nAPI_TOKEN=none\n",
        secrets=frozenset({"MAGIC"}),
        settings=frozenset({"API_TOKEN"}),
    )
    assert plan.variables(Kind.SECRET) == ["MAGIC"]
    assert plan.variables(Kind.SETTING) == ["API_TOKEN"]


def test_choice_for_an_already_imported_variable_is_accepted() -> None:
    assert not planned("PORT=80\n", secrets=frozenset({"DB_PASSWORD"})).secrets


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"secrets": frozenset({"MAGIX"})}, ".env sets no variable 'MAGIX'; did you mean MAGIC?"),
        ({"settings": frozenset({"zzz"})}, ".env sets no variable 'zzz'"),
        ({"skipped": frozenset({"JWT_SECRET"})}, ".env sets no variable 'JWT_SECRET'"),
        (
            {"skipped": frozenset({"apikey"})},
            ".env sets no variable 'apikey'; did you mean apiKey?",
        ),
        (
            {"secrets": frozenset({"MAGIC"}), "settings": frozenset({"MAGIC"})},
            "--secret and --setting are both passed for MAGIC; pass one of them",
        ),
        (
            {"secrets": frozenset({"apiKey"}), "skipped": frozenset({"apiKey"})},
            "--secret and --skip are both passed for apiKey; pass one of them",
        ),
        (
            {"settings": frozenset({"apiKey"}), "skipped": frozenset({"apiKey"})},
            "--setting and --skip are both passed for apiKey; pass one of them",
        ),
        (
            {"secrets": frozenset({"BASE_URL", "MAGIC"})},
            ".env:2: BASE_URL is declared as the setting base-url; declare it as a secret first",
        ),
        (
            {"secrets": frozenset({"MAGIC"}), "settings": frozenset({"DB_PASSWORD"})},
            (
                ".env:3: DB_PASSWORD is declared as the secret db-password; "
                "do not pass --setting for it"
            ),
        ),
    ],
)
def test_choices_that_contradict_the_file_or_declaration_are_rejected(
    choices: dict[str, Any], message: str
) -> None:
    text = "MAGIC=hunter2\nBASE_URL=https://a\nDB_PASSWORD=hunter2\napiKey=hunter2\n2fa-pin=3\n"
    with pytest.raises(ConfigurationError) as caught:
        planned(text, **choices)
    assert str(caught.value).splitlines()[0] == message


def test_variable_that_contains_a_secret_is_a_secret() -> None:
    plan = planned(
        "DB_PASSWORD=hunter2\nREPLICA=https://r.example.com/${DB_PASSWORD}\nMAGIC=${REPLICA}/x\n"
    )
    assert list(plan.secrets) == ["db-password", "replica", "magic"]
    answered = planned("MAGIC=hunter2\nLINK=https://r.example.com/${MAGIC}\n", lambda *_: "secret")
    assert list(answered.secrets) == ["magic", "link"]


@pytest.mark.parametrize("answer", ["setting", "skip"])
def test_variable_that_contains_a_secret_cannot_stay_in_the_file(answer: str) -> None:
    answers = {"MAGIC": "secret", "OTHER": answer}
    with pytest.raises(InvalidDotenv) as caught:
        planned("MAGIC=hunter2\nOTHER=<${MAGIC}>\n", lambda name, _: answers[name])
    assert str(caught.value) == (
        ".env:2: OTHER contains the value of the secret MAGIC, so it is a secret too; "
        "pass --secret OTHER"
    )


def test_notes_mention_what_is_not_obvious() -> None:
    plan = planned(
        "DB_PASSWORD=hunter1\n"
        "DB_PASSWORD=hunter2\n"
        "# DB_PASSWORD=hunter0\n"
        "BASE_URL=https://old.example.com\n"
        "HOME_URL=${BASE_URL}\n"
    )
    assert plan.notes == (
        "DB_PASSWORD is set on line 1 and again on line 2, which takes effect",
        (
            "BASE_URL differs from the declared setting base-url: the file keeps its value, and a "
            "delivered config has the declared one"
        ),
        "HOME_URL uses ${BASE_URL}, as python-dotenv does",
        "the comment on line 3 may contain a secret; the new file omits it",
    )


def test_plan_repr_has_no_values() -> None:
    assert "hunter2" not in repr(planned("DB_PASSWORD=hunter2\nAPI_TOKEN=hunter2\n"))


PROVIDED = Provided({"redis-url": None, "queue-url": Secret("amqp://a:b@127.0.0.1:1/x")})


def test_value_of_another_server_is_replaced_by_the_deployments_own() -> None:
    text = "REDIS_URL=redis://cache:6379/2\nQUEUE_URL=amqp://ada:hunter2@queue:5672/shop\n"
    plan = planned(text, provided=PROVIDED)
    assert list(plan.replaced) == ["redis-url", "queue-url"]
    assert plan.secrets == {}
    assert list(plan.new_secrets) == ["redis-url", "queue-url"]
    assert plan.variables(Kind.SECRET) == ["REDIS_URL", "QUEUE_URL"]
    assert plan.has_secrets
    notes = [note for note in plan.notes if "stays in the backup" in note]
    assert [note.partition(":")[0] for note in notes] == ["REDIS_URL", "QUEUE_URL"]
    assert "hunter2" not in "".join(plan.notes)


def test_value_of_the_deployments_own_server_is_imported() -> None:
    text = "QUEUE_URL=amqp://a:b@127.0.0.1:1/x?heartbeat=5\n"
    plan = planned(text, provided=PROVIDED)
    assert list(plan.secrets) == ["queue-url"]
    assert plan.replaced == {}


def test_choice_of_a_kind_keeps_the_files_value() -> None:
    text = "REDIS_URL=redis://cache:6379/2\n"
    chosen = planned(text, provided=PROVIDED, secrets=frozenset({"REDIS_URL"}))
    assert (list(chosen.secrets), chosen.replaced) == (["redis-url"], {})
    setting = planned(text, provided=PROVIDED, settings=frozenset({"REDIS_URL"}))
    assert list(setting.new_settings) == ["redis-url"]


MIXED = "SAML2_IDP_x509=hunter2\napiKey=hunter3\napiUrl=https://api.example.com\nPORT_=80\n"


def test_names_in_other_forms_are_mapped_with_a_note() -> None:
    plan = planned(MIXED, secrets=frozenset({"SAML2_IDP_x509"}))
    assert {name: each.name for name, each in plan.secrets.items()} == {
        "saml2-idp-x509": "SAML2_IDP_x509",
        "api-key": "apiKey",
    }
    assert list(plan.new_settings) == ["api-url", "port"]
    assert plan.notes[0] == (
        "SAML2_IDP_x509 becomes the secret saml2-idp-x509: the service reads it by "
        'get_secret("saml2-idp-x509"), and export-env writes it as SAML2_IDP_X509'
    )
    assert plan.notes[2] == (
        "apiUrl becomes the setting api-url: the file keeps it as apiUrl, and export-env writes it "
        "as API_URL"
    )


def test_mapped_name_is_known_as_the_declared_one() -> None:
    plan = planned("dbPassword=hunter2\nbase_url=https://shop.example.com\n")
    assert list(plan.secrets) == ["db-password"]
    assert not plan.new_secrets
    assert not plan.new_settings


def test_two_names_of_one_variable_are_rejected_unless_one_is_skipped() -> None:
    text = "apiKey=hunter2\nAPI_KEY=hunter3\n"
    with pytest.raises(InvalidDotenv, match="API_KEY becomes 'api-key', as apiKey on line 1 does"):
        planned(text)
    plan = planned(text, skipped=frozenset({"apiKey"}))
    assert {name: each.name for name, each in plan.secrets.items()} == {"api-key": "API_KEY"}
    assert plan.variables(Kind.SKIP) == ["apiKey"]


@pytest.mark.parametrize(
    "name", ["API_TOKEN", "DB_PASSWORD", "BASE_URL", "2FA-ü.x", "DATABASE_URL"]
)
def test_skipped_variable_is_neither_declared_nor_imported(name: str) -> None:
    plan = planned(f"{name}=hunter2\nPORT=80\n", skipped=frozenset({name}))
    assert (plan.kinds[name], plan.secrets, list(plan.new_settings)) == (Kind.SKIP, {}, ["port"])
    assert f"{name} was skipped: it stays in the file and is not declared" in plan.notes


def test_skipped_variable_that_contains_a_secret_is_rejected() -> None:
    with pytest.raises(InvalidDotenv, match="LINK contains the value of the secret DB_PASSWORD"):
        planned("DB_PASSWORD=a\nLINK=x${DB_PASSWORD}\n", skipped=frozenset({"LINK"}))


def test_setting_with_the_value_of_a_skipped_secret_is_asked_about() -> None:
    text = "API_TOKEN=hunter2\nPORT=80\nLINK=https://a.example.com/${API_TOKEN}/${PORT}\n"
    skipped = frozenset({"API_TOKEN", "PORT"})
    with pytest.raises(InvalidDotenv) as caught:
        planned(text, skipped=skipped)
    assert str(caught.value) == (
        ".env:3: LINK may be a secret: it contains the value of API_TOKEN, which is skipped; "
        "pass --secret LINK, --setting LINK or --skip LINK"
    )
    assert planned(text, skipped=skipped | {"LINK"}).variables(Kind.SETTING) == []
    assert list(planned(text, skipped=skipped, settings=frozenset({"LINK"})).new_settings)
    assert list(planned(text, skipped=frozenset({"PORT"})).secrets) == ["api-token", "link"]


def test_all_problems_are_reported_at_once() -> None:
    text = "MAGIC=hunter2\n2FA=hunter3\nODD=hunter4\nLINK=<${DB_PASSWORD}>\n"
    with pytest.raises(ConfigurationError) as caught:
        planned(
            f"DB_PASSWORD=a\n{text}",
            secrets=frozenset({"MAGIX", "ODD"}),
            settings=frozenset({"LINK", "ODD", "zzz"}),
        )
    lines = str(caught.value).splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "--secret and --setting are both passed for ODD",
        ".env sets no variable 'MAGIX'",
        ".env sets no variable 'zzz'",
        ".env:2: MAGIC may be a secret: neither its name nor its value decides",
        ".env:3: 2FA may be a secret: neither its name nor its value decides",
        (
            ".env:3: the name of the variable must be letters, digits and '_', beginning with a "
            "letter"
        ),
        ".env:5: LINK contains the value of the secret DB_PASSWORD, so it is a secret too",
    ]


LOCAL = Provided({"database-url": None, "redis-url": None, "smtp-password": None})
ACCOUNT = (
    "POSTGRES_SERVER=db\nPOSTGRES_USER=shop\nPOSTGRES_PASSWORD=hunter2\nPOSTGRES_DB=stock\n"
    "PORT=80\n"
)


NOTHING = DeclaredVariables(SCOPE, {}, {}, {})


def fresh(
    text: str, provided: Provided = LOCAL, ask: Ask | None = None, **choices: frozenset[str]
) -> ImportPlan:
    """Return the plan for a service that declares nothing."""
    return planned(text, ask, provided, NOTHING, **choices)


def test_account_of_a_database_becomes_one_secret() -> None:
    plan = fresh(ACCOUNT)
    assert (list(plan.replaced), plan.secrets) == (["database-url"], {})
    assert list(plan.new_secrets) == ["database-url"]
    assert list(plan.new_settings) == ["port"]
    assert plan.variables(Kind.PART) == ["POSTGRES_SERVER", "POSTGRES_USER", "POSTGRES_DB"]
    assert plan.notes[-1] == (
        "POSTGRES_SERVER, POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB are one database, which "
        "becomes the secret database-url; export-env writes its parts as comments: DB_HOST, "
        "DB_PORT and so on"
    )


def test_url_of_a_database_under_another_name_is_noted() -> None:
    url = "postgresql+psycopg://shop:hunter2@db/stock"
    plan = fresh(f"SQLALCHEMY_DATABASE_URI={url}\nREPORTS=mysql://shop:hunter2@db/stock\n")
    assert list(plan.secrets) == ["sqlalchemy-database-uri", "reports"]
    (note,) = plan.notes
    assert note == (
        "SQLALCHEMY_DATABASE_URI is the URL of a PostgreSQL database and becomes a plain secret; "
        "to get leased users, name it DATABASE_URL, also in the application, and import it"
    )
    assert fresh(f"DATABASE_URL={url}\nREPORTS_URL={url}\n").notes[-1] != note


def test_account_of_a_database_elsewhere_is_imported_as_its_url() -> None:
    given = {"DATABASE_URL": ("database-url", Given(source="given"))}
    plan = planned(ACCOUNT, declared=replace(NOTHING, secrets=given))
    url = plan.values["database-url"].reveal()
    assert url == "postgresql://shop:hunter2@db/stock"
    assert plan.new_secrets == {}


def test_account_with_its_url_goes_with_it() -> None:
    text = f"{ACCOUNT}DATABASE_URL=postgres://${{POSTGRES_USER}}:${{POSTGRES_PASSWORD}}@db/stock\n"
    plan = fresh(text)
    assert [each.name for each in plan.replaced.values()] == ["DATABASE_URL"]
    assert plan.secrets == {}
    other = fresh(text.replace("@db/stock", "@other/stock"))
    assert list(other.secrets) == ["postgres-password"]
    assert "but not the declared one of shop" in other.notes[-1]


def test_account_of_the_server_beside_the_url_of_another_user_is_imported_one_by_one() -> None:
    text = (
        "DATABASE_URL=postgresql://app:hunter2@db/shop\nPOSTGRES_PASSWORD=hunter3\n"
        "POSTGRES_DB=shop\n"
    )
    plan = fresh(text)
    assert (list(plan.replaced), list(plan.secrets)) == (["database-url"], ["postgres-password"])
    assert list(plan.new_settings) == ["postgres-db"]


@pytest.mark.parametrize("choice", ["settings", "skipped"])
def test_account_whose_url_stays_in_the_file_is_imported_one_by_one(choice: str) -> None:
    text = f"{ACCOUNT}DATABASE_URL=postgres://shop:hunter2@db/stock\n"
    chosen: dict[str, Any] = {choice: frozenset({"DATABASE_URL"})}
    plan = fresh(text, **chosen)
    assert list(plan.secrets) == ["postgres-password"]
    assert plan.variables(Kind.PART) == []


def test_part_that_another_variable_uses_stays() -> None:
    plan = fresh(f"{ACCOUNT}TITLE=/srv/${{POSTGRES_DB}}/data\n")
    assert plan.kinds["POSTGRES_DB"] is Kind.SETTING
    assert list(plan.new_settings) == ["postgres-db", "port", "title"]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            "MYSQL_HOST=db\nMYSQL_PASSWORD=hunter2\n",
            (
                "MYSQL_HOST, MYSQL_PASSWORD are a MySQL database, whose users cannot be leased: "
                "MYSQL_PASSWORD is a secret of its own, and the others are settings"
            ),
        ),
        (
            "DB_HOST=store\nDB_PASSWORD_OLD=1\nDB_PASS=hunter2\n",
            (
                "DB_HOST, DB_PASS are a database whose kind or user the file does not say: "
                "DB_PASS is a secret of its own, and the others are settings; if it is PostgreSQL, "
                "add its user and a line such as DB_ENGINE=postgresql, or use DATABASE_URL, before "
                "you import it"
            ),
        ),
    ],
)
def test_other_accounts_are_imported_one_by_one_with_a_note(text: str, note: str) -> None:
    plan = fresh(text, ask=lambda *_: "secret")
    assert note in plan.notes
    assert plan.variables(Kind.PART) == []


def test_choice_about_a_part_keeps_the_account() -> None:
    chosen = frozenset({"POSTGRES_PASSWORD"})
    plan = fresh(ACCOUNT, secrets=chosen)
    assert list(plan.secrets) == ["postgres-password"]
    assert "postgres-server" in plan.new_settings


def test_url_of_another_database_on_the_server_of_a_replaced_one_is_noted() -> None:
    plan = fresh(
        "REDIS_URL=redis://:hunter2@cache:6379/0\nCELERY_BROKER_URL=redis://:hunter2@cache:6379/1\n"
        "OTHER_URL=redis://:hunter2@elsewhere:6379/1\n"
    )
    assert list(plan.secrets) == ["celery-broker-url", "other-url"]
    assert plan.notes[-1] == (
        "CELERY_BROKER_URL is on the server of REDIS_URL, and keeps the file's value; if leased "
        "users take its place, remove it from the application and the service"
    )


def test_url_that_equals_a_replaced_one_stays_equal() -> None:
    text = (
        "REDIS_URL=redis://cache:6379/0\nCELERY_BROKER_URL=redis://cache:6379/0\n"
        "RESULTS_URL=${REDIS_URL}\nOTHER_URL=redis://cache:6379/1\n"
    )
    plan = fresh(text)
    assert plan.twins == {"celery-broker-url": "redis-url", "results-url": "redis-url"}
    assert list(plan.new_secrets) == ["redis-url", "results-url", "celery-broker-url"]
    equal = {"source": "derived", "format": "{redis-url}"}
    assert plan.new_secrets["celery-broker-url"] == plan.new_secrets["results-url"] == equal
    assert list(plan.new_settings) == ["other-url"]
    assert "CELERY_BROKER_URL has the value of REDIS_URL, and gets the same one again" in plan.notes


def test_mail_account_of_another_server_is_replaced_as_a_whole() -> None:
    text = (
        "EMAIL_HOST=smtp.example.com\nEMAIL_PORT=587\nEMAIL_HOST_USER=ada\n"
        "EMAIL_HOST_PASSWORD=hunter2\nEMAIL_USE_TLS=false\nEMAIL_USE_SSL=true\n"
        "MAIL_PASSWORD=hunter3\n"
    )
    provided = LOCAL.with_mail_of(parse(Path(".env"), text.encode()))
    plan = fresh(text, provided)
    assert list(plan.replaced) == ["email-host-password"]
    assert list(plan.secrets) == ["mail-password"]
    local: dict[str, str | int | bool] = {"email-host": "127.0.0.1", "email-port": 1025}
    local |= {"email-use-tls": False, "email-use-ssl": False, "email-host-user": "ada"}
    assert plan.local_mail(local) == {
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": "1025",
        "EMAIL_USE_SSL": "false",
    }


def test_password_of_mail_without_a_host_leads_to_the_address() -> None:
    first, *rest = fresh("SMTP_PASSWORD=hunter2\n", LOCAL).notes
    assert "stays in the backup only, and --secret SMTP_PASSWORD imports it instead" in first
    assert "SMTP_PASSWORD has no host beside it: have the application send to" in rest[0]
    assert len(fresh("SMTP_HOST=localhost\nSMTP_PASSWORD=hunter2\n", LOCAL).notes) == 1


def test_account_of_a_database_whose_url_is_derived_is_imported_one_by_one() -> None:
    plan = planned(ACCOUNT, provided=LOCAL)
    assert list(plan.secrets) == ["postgres-password"]
    assert "but not the declared one of shop" in plan.notes[-1]


@pytest.mark.parametrize("text", ["redis://cache:6379/0", "redis://other:6379/0"])
def test_url_that_is_derived_from_another_alone_may_be_in_the_file_if_equal(text: str) -> None:
    secrets: dict[str, tuple[str, SecretSource]] = {
        "REDIS_URL": ("redis-url", Given(source="given")),
        "BROKER_URL": ("broker-url", Derived(source="derived", format="{redis-url}")),
    }
    declared = replace(NOTHING, secrets=secrets)
    file = f"REDIS_URL=redis://cache:6379/0\nBROKER_URL={text}\n"
    if text.startswith("redis://other"):
        with pytest.raises(InvalidDotenv, match="BROKER_URL is derived from redis-url"):
            planned(file, declared=declared)
        return
    plan = planned(file, declared=declared)
    assert list(plan.secrets) == ["redis-url"]
    assert (plan.twins, plan.new_secrets) == ({"broker-url": "redis-url"}, {})
