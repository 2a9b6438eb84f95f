"""Python that ``import-env`` prints to paste."""

from __future__ import annotations

from console.sample_code import sample_lines


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
