"""Handler that encrypts logs: formats and redacts as any handler, and never recurses."""

from __future__ import annotations

import logging
import logging.config
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_integration import get_secret, redaction
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.encryption.files.frames import MAX_RECORD
from app_integration.errors import AccessDenied, ConfigurationError, KeyUnavailable
from app_integration.observability.encrypted_log import EncryptedLogHandler
from app_integration.testing.application import MemoryApplication
from app_integration.testing.faults import Fault
from tests.support.limited_files import limited_size
from tests.support.models.encrypted_logs import HEADER_SIZE, names, read_log


@pytest.fixture
def handler(files: FileCipher, tmp_path: Path) -> Iterator[EncryptedLogHandler]:
    handler = EncryptedLogHandler(files, tmp_path, "shop")
    yield handler
    handler.close()


@pytest.fixture
def logger(handler: EncryptedLogHandler) -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.encrypted_log")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.removeHandler(handler)
    logger.propagate = True


def fail(reason: str) -> None:
    raise ValueError(reason)


def test_handler_formats_as_any_handler(
    logger: logging.Logger, handler: EncryptedLogHandler, files: FileCipher, tmp_path: Path
) -> None:
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.info("order %d of %s", 7, "Ada")
    try:
        fail("wrong")
    except ValueError:
        logger.exception("failed")
    handler.close()
    found = read_log(files, tmp_path)
    assert found.said == []
    assert found.records[0] == "INFO order 7 of Ada"
    assert found.records[1].startswith("ERROR failed\nTraceback (most recent call last):")
    assert names(tmp_path) == ["shop-000001.log.encrypted"]


def test_handler_without_a_record_makes_no_file(
    handler: EncryptedLogHandler, tmp_path: Path
) -> None:
    handler.close()
    assert read_files(tmp_path) == []


def read_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


def test_handler_cuts_off_a_long_record_and_keeps_an_empty_one(
    logger: logging.Logger, files: FileCipher, tmp_path: Path
) -> None:
    logger.info("é" * MAX_RECORD)
    logger.info("")
    logger.info("\ud800")
    found = read_log(files, tmp_path)
    assert [len(record.encode(errors="replace")) for record in found.records[1:]] == [1, 6]
    assert found.records[0].endswith("é [cut off]")
    assert found.records[1:] == [" ", "\\ud800"]


def test_handler_writes_redacted_records(
    vault: MemoryApplication, logger: logging.Logger, files: FileCipher, tmp_path: Path
) -> None:
    vault.put("jwt-secret", "a-signing-key-of-thirty-two-byte")
    redaction.install()
    try:
        secret = get_secret("jwt-secret")
        logger.info("uses %s", secret.reveal())
        try:
            fail(f"rejects {secret.reveal()}")
        except ValueError:
            logger.exception("in a traceback")
    finally:
        redaction.uninstall()
    text = "\n".join(read_log(files, tmp_path).records)
    assert "a-signing-key" not in text
    assert text.count(redaction.live.scrub(secret.reveal())) >= 2


def test_handler_on_the_root_logger_does_not_recurse(
    vault: MemoryApplication, files: FileCipher, tmp_path: Path
) -> None:
    """The SDK logs while it wraps the key, and while the handler is on the root logger."""
    root, level = logging.getLogger(), logging.getLogger().level
    first = EncryptedLogHandler(files, tmp_path, "first")
    root.addHandler(first)
    root.setLevel(logging.DEBUG)
    try:
        vault.expire_tokens()
        second = EncryptedLogHandler(files, tmp_path, "second")
        logging.getLogger("shop").info("after the login")
        second.close()
    finally:
        root.removeHandler(first)
        root.setLevel(level)
        first.close()
    found = read_log(files, tmp_path)
    assert found.records[-1] == "after the login"
    assert found.said == []


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.UNREACHABLE, KeyUnavailable), (Fault.DENIED, AccessDenied)]
)
def test_handler_without_its_key_is_not_constructed(
    vault: MemoryApplication,
    files: FileCipher,
    tmp_path: Path,
    fault: Fault,
    error: type[Exception],
) -> None:
    with vault.fault(fault, "transit/encrypt"), pytest.raises(error):
        EncryptedLogHandler(files, tmp_path)
    assert read_files(tmp_path) == []


def test_handler_needs_an_existing_folder(files: FileCipher, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="create the folder"):
        EncryptedLogHandler(files, tmp_path / "missing")


def test_handler_on_a_full_disk_reports_the_error_and_goes_on(
    logger: logging.Logger,
    files: FileCipher,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger.info("one")
    with limited_size(HEADER_SIZE + 60):
        logger.info("x" * 100)
    logger.info("three")
    assert "--- Logging error ---" in capsys.readouterr().err
    assert read_log(files, tmp_path).records == ["one", "three"]


def test_record_logged_by_a_finalizer_within_a_write_follows(
    logger: logging.Logger, files: FileCipher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = BodyCipher.seal

    def finalizing(*arguments: Any) -> bytes:
        monkeypatch.undo()
        logger.info("from the finalizer")
        return seal(*arguments)

    logger.info("one")
    monkeypatch.setattr(BodyCipher, "seal", finalizing)
    logger.info("two")
    logger.info("three")
    found = read_log(files, tmp_path)
    assert found.records == ["one", "two", "from the finalizer", "three"]


def test_handler_rotates_by_its_arguments(files: FileCipher, tmp_path: Path) -> None:
    handler = EncryptedLogHandler(files, tmp_path, max_bytes=1)
    for _ in range(3):
        handler.emit(logging.makeLogRecord({"msg": "one"}))
    handler.close()
    assert read_log(files, tmp_path).said == []
    assert len(names(tmp_path)) == 3


def test_handler_is_configured_by_a_dictionary(
    vault: MemoryApplication, files: FileCipher, tmp_path: Path
) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "audit": {
                    "()": "app_integration.encrypted_log_handler",
                    "folder": str(tmp_path),
                    "log": "orders",
                    "level": "INFO",
                }
            },
            "loggers": {"tests.orders": {"handlers": ["audit"], "level": "DEBUG"}},
        }
    )
    logger = logging.getLogger("tests.orders")
    logger.info("sent")
    logger.debug("not written")
    handler = logger.handlers.pop()
    handler.close()
    assert read_log(files, tmp_path, scope=vault.scope).records == ["sent"]


def test_import_of_the_handler_starts_nothing() -> None:
    code = (
        "import threading, sys\n"
        "from app_integration.observability.encrypted_log import EncryptedLogHandler\n"
        "from app_integration import default_client\n"
        "assert default_client.peek_default_client() is None\n"
        "assert threading.active_count() == 1\n"
        "assert 'hvac' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PATH": os.environ["PATH"]}, check=False
    )
    assert done.returncode == 0
