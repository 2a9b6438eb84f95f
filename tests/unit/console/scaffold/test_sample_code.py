"""Python that ``import-env`` prints to paste."""

from __future__ import annotations

from pathlib import Path

from console.scaffold.sample_code import sample_lines
from local.services.application import find_frameworks


def test_lines_use_all_that_the_service_has() -> None:
    assert sample_lines("api-token", ["pii"], has_database=True, has_redis=True) == [
        "from app_integration import database_engine, encrypt_field, get_secret, redis_client",
        'print(get_secret("api-token"))',
        'print(encrypt_field("ada@example.com", context={"customer": 7}))',
        "with database_engine().connect() as connection:",
        '    print(connection.exec_driver_sql("SELECT session_user").scalar())',
        'print(redis_client().execute_command("HELLO"))',
    ]


def test_lines_name_a_key_that_is_not_the_default() -> None:
    _, line = sample_lines(None, ["cards", "pii"])
    assert line == ('print(encrypt_field("ada@example.com", context={"customer": 7}, key="cards"))')


def test_service_that_has_nothing_gets_no_lines() -> None:
    assert sample_lines(None) == []


def test_lines_fit_the_frameworks_of_the_application() -> None:
    found = {"django", "celery", "pydantic-settings"}
    lines = sample_lines("api-token", has_database=True, has_redis=True, frameworks=found)
    assert lines[0] == "from app_integration import get_secret, redis_client"
    django, celery, pydantic = lines[-3:]
    assert django == (
        '# settings.py: DATABASES = {"default": {"ENGINE": '
        '"app_integration.integrations.django.postgresql"}}'
    )
    assert "use_leased_redis(app)" in celery
    assert '# api_token: Annotated[SecretStr, FromStrongroom("api-token")] and' in pydantic
    assert sample_lines(None, has_database=True, frameworks={"django"}) == [django]
    assert sample_lines(None, frameworks=found) == []


def test_frameworks_are_those_in_the_requirements(tmp_path: Path) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "pyproject.toml").write_text('  "pydantic-settings<3.0.0,>=2.2.1",\n')
    (tmp_path / "requirements.txt").write_text("# celery\nDjango==6.0 # core\ndjango-model-utils\n")
    assert find_frameworks(tmp_path) == {"pydantic-settings", "django"}
