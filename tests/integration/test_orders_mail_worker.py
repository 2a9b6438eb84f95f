"""Mail worker, with real Redis and mail servers, SQLite, and keys in this process."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app_integration.secret import Secret
from examples.order_messages import STREAM, seal_message
from examples.orders_mail import mail, receipts
from examples.orders_mail.order_queue import GROUP, MAX_DELIVERIES
from examples.orders_mail.worker import DeliveredUrl
from tests.support.polling import wait_until
from tests.support.servers.store_parts import Servers
from tests.support.servers.worker_parts import ADDRESS, MailRoom, open_mail_room

pytestmark = pytest.mark.requires("embedded")

OLD_URL = "redis://:old-queue-password@127.0.0.1:1/0"


@pytest.fixture
def room(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailRoom]:
    with open_mail_room(servers, tmp_path, monkeypatch) as opened:
        yield opened


class TestMail:
    """A message that is handled."""

    def test_order_is_mailed_to_its_customer(self, room: MailRoom) -> None:
        order_id = room.place("a gourd of sand")
        room.work_until_empty()
        (sent,) = room.mails()
        assert sent["To"] == sent["X-Envelope-To"] == ADDRESS
        assert "2 x a gourd of sand" in sent.get_content()
        assert str(order_id) in sent["Message-ID"]
        assert room.client.xpending(STREAM, GROUP)["pending"] == 0
        assert room.dead() == []

    def test_receipt_is_encrypted_and_bound_to_its_order(self, room: MailRoom) -> None:
        order_id = room.place()
        room.work_until_empty()
        queue = room.queue()
        receipt = receipts.load(queue, order_id)
        assert receipt == {"recipient": ADDRESS, "sent_at": "2026-07-01T00:00:00+00:00"}
        assert ADDRESS not in str(queue.load(f"orders-mail:receipt:{order_id}"))
        assert receipts.load(queue, uuid4()) is None
        queue.close()

    def test_order_with_a_receipt_is_not_mailed_again(self, room: MailRoom) -> None:
        order_id = room.place()
        room.work_until_empty()
        room.announce(order_id)
        room.work_until_empty()
        assert len(room.mails()) == 1

    def test_message_of_a_worker_that_ended_is_delivered_again(self, room: MailRoom) -> None:
        other = room.queue("other")
        room.client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        room.place()
        assert other.receive() is not None
        other.close()
        room.work_until_empty()
        assert len(room.mails()) == 1

    def test_message_that_another_worker_acknowledged_is_left_alone(self, room: MailRoom) -> None:
        room.client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        room.place()
        one, other = room.queue("one"), room.queue("other")
        first, second = one.receive(), other.receive()
        assert first is not None
        assert second is not None
        assert (second.id, second.count) == (first.id, 2)
        one.acknowledge(first)
        assert not other.keep(second)
        worker = room.worker()
        worker._settle(second)
        assert room.mails() == []
        one.close()
        other.close()
        worker._queues.close()

    def test_erased_queue_is_created_again(self, room: MailRoom) -> None:
        with room.running():
            wait_until(lambda: bool(room.client.exists(STREAM)), "the group", 20)
            room.client.flushall()
            order_id = room.place()
            wait_until(room.mails, "the mail", 20)
        (sent,) = room.mails()
        assert str(order_id) in sent["Message-ID"]
        assert room.dead() == []


class TestRejected:
    """Messages that no retry helps, and that do not block others."""

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"something": "else"}, "has not the fields"),
            ({b"order": b"\xff", b"\xff\xfe": b"\x00"}, "has not the fields"),
            ({"recipient": "no token"}, "is not an encrypted token"),
            ({"recipient": "AAAA"}, "cannot be decrypted"),
        ],
        ids=["other fields", "no text", "no token", "not authentic"],
    )
    def test_poisoned_message_is_moved_and_the_next_is_sent(
        self, room: MailRoom, fields: dict[Any, Any], reason: str
    ) -> None:
        order = {"order": str(room.place())} if "recipient" in fields else {}
        room.client.xtrim(STREAM, 0)
        room.client.xadd(STREAM, {**order, **fields})
        room.place("the next")
        room.work_until_empty()
        (found,) = room.dead()
        assert reason in found
        assert ["the next" in sent.get_content() for sent in room.mails()] == [True]

    @pytest.mark.parametrize("recipient", ["a@b.c, d@e.f", "a@b.c\r\nBcc: d@e.f", "nobody"])
    def test_message_with_another_recipient_text_is_rejected(
        self, room: MailRoom, recipient: str
    ) -> None:
        room.place(recipient=recipient)
        room.work_until_empty()
        assert room.dead() == ["the recipient is not one address"]
        assert room.mails() == []

    def test_unexpected_error_rejects_the_message_without_its_text(
        self, room: MailRoom, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: object) -> None:
            raise KeyError(ADDRESS)

        monkeypatch.setattr(mail, "build_message", fail)
        room.place()
        room.work_until_empty()
        assert room.dead() == ["unexpected KeyError"]
        assert ADDRESS not in caplog.text

    def test_order_that_never_exists_is_rejected_after_its_last_delivery(
        self, room: MailRoom
    ) -> None:
        room.announce(uuid4())
        room.place()
        room.work_until_empty()
        assert room.dead() == [f"delivered more than {MAX_DELIVERIES} times"]
        assert len(room.mails()) == 1

    @pytest.mark.parametrize(
        "error",
        [
            smtplib.SMTPRecipientsRefused({ADDRESS: (550, b"gaara@example.com is unknown")}),
            smtplib.SMTPDataError(554, b"gaara@example.com rejects it"),
        ],
        ids=["recipient", "message"],
    )
    def test_mail_that_is_refused_for_good_is_rejected(
        self,
        room: MailRoom,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        error: smtplib.SMTPException,
    ) -> None:
        def refuse(*_: object) -> None:
            raise error

        monkeypatch.setattr(smtplib.SMTP, "send_message", refuse)
        room.place()
        room.work_until_empty()
        (reason,) = room.dead()
        assert reason.startswith("the mail server refused the ")
        assert ADDRESS not in reason + caplog.text

    def test_mail_that_is_refused_for_now_is_sent_later(
        self, room: MailRoom, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send: Any = smtplib.SMTP.send_message
        refusals = [450]

        def refuse_once(server: smtplib.SMTP, message: Any) -> Any:
            if refusals:
                raise smtplib.SMTPRecipientsRefused({ADDRESS: (refusals.pop(), b"greylisted")})
            return send(server, message)

        monkeypatch.setattr(smtplib.SMTP, "send_message", refuse_once)
        room.place()
        room.work_until_empty()
        assert len(room.mails()) == 1
        assert room.dead() == []


class TestOutages:
    """Errors that concern all messages: none is lost."""

    def test_mail_server_that_moved_is_found_by_the_new_config(self, room: MailRoom) -> None:
        port = room.document["smtp"]["port"]
        room.deliver("smtp", port=1)
        room.place()
        with room.running():
            wait_until(lambda: room.client.xlen(STREAM) == 1, "the message", 20)
            room.deliver("smtp", port=port)
            wait_until(room.is_empty, "an empty queue", 20)
        assert len(room.mails()) == 1
        assert room.dead() == []

    def test_refused_login_keeps_the_message(self, room: MailRoom) -> None:
        password = room.document["smtp"]["password"]
        room.deliver("smtp", password="a-wrong-smtp-password")
        room.place()
        with room.running():
            wait_until(lambda: room.pending() == 1, "the delivery", 20)
            room.deliver("smtp", password=password)
            wait_until(room.is_empty, "an empty queue", 20)
        assert len(room.mails()) == 1

    def test_key_that_is_unavailable_delays_the_mail(self, room: MailRoom) -> None:
        room.keys.unavailable = True
        room.place()
        with room.running():
            wait_until(lambda: bool(room.client.exists(STREAM)), "the message", 20)
            assert room.mails() == []
            room.keys.unavailable = False
            wait_until(room.is_empty, "an empty queue", 20)
        assert len(room.mails()) == 1

    def test_missing_table_delays_the_mail(self, room: MailRoom) -> None:
        room.place()
        with room.engine.begin() as connection:
            connection.execute(text("ALTER TABLE orders RENAME TO renamed"))
        with room.running():
            wait_until(lambda: room.client.xlen(STREAM) == 1, "the message", 20)
            with room.engine.begin() as connection:
                connection.execute(text("ALTER TABLE renamed RENAME TO orders"))
            wait_until(room.is_empty, "an empty queue", 20)
        assert len(room.mails()) == 1

    def test_queue_url_that_is_delivered_later_is_used(self, room: MailRoom) -> None:
        url = room.document["queue"]["url"]
        room.deliver("queue", url=OLD_URL)
        room.place()
        with room.running():
            room.deliver("queue", url=url)
            wait_until(room.is_empty, "an empty queue", 20)
        assert len(room.mails()) == 1

    def test_message_of_before_a_rotation_is_sent(self, room: MailRoom) -> None:
        order_id = room.place()
        room.client.xtrim(STREAM, 0)
        room.client.xadd(STREAM, {**seal_message(order_id, ADDRESS, OLD_URL).fields()})
        room.urls = (Secret(room.url), Secret(OLD_URL))
        room.work_until_empty()
        assert len(room.mails()) == 1

    def test_unreachable_server_postpones_only_messages_of_before_a_rotation(
        self, room: MailRoom
    ) -> None:
        order_id = room.place()
        room.client.xtrim(STREAM, 0)
        room.announce(order_id, url=OLD_URL)
        room.place("the next")
        room.urls = None
        with room.running():
            wait_until(lambda: len(room.mails()) == 1, "the next mail", 20)
            room.urls = (Secret(room.url), Secret(OLD_URL))
            wait_until(room.is_empty, "an empty queue", 20)
        assert len(room.mails()) + len(room.dead()) == 2


def test_object_of_a_delivered_url_is_replaced_and_closed() -> None:
    events: list[str] = []

    def build(url: str) -> str:
        events.append(f"build {url}")
        return url

    objects = DeliveredUrl(build, lambda url: events.append(f"close {url}"))
    for url in ("a", "a", "b"):
        assert objects.get(SecretStr(url)) == url
    objects.close()
    objects.close()
    assert events == ["build a", "close a", "build b", "close b"]
