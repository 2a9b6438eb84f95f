"""Data keys in a process: generated once, used within limits, never shared with a fork."""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app_integration import names
from app_integration._internal.single_flight import SingleFlight
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.data_key import DataKey
from app_integration.encryption.keys.keyring import Keyring, SelfContained
from app_integration.encryption.keys.usage_limits import UsageLimits
from app_integration.encryption.keys.wrapped_data_key import WrapScope
from app_integration.errors import (
    ConfigurationError,
    DeadlineExceeded,
    DecryptionFailed,
    KeyUnavailable,
)
from app_integration.settings import Limits
from tests.support.clock import Clock
from tests.support.models.cipher_parts import Rows

SCOPE = WrapScope(b"scope", "shop/dev/pii")


class Service:
    """A key service that numbers its wrapped keys, can be unavailable and can be made to wait."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes] = {}
        self.wraps = self.unwraps = 0
        self.unavailable = False
        self.gate: threading.Event | None = None

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        self._answer()
        self.wraps += len(data_keys)
        names = [b"%b key %d" % (scope, len(self.keys) + index) for index in range(len(data_keys))]
        self.keys.update(zip(names, data_keys, strict=True))
        return names

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._answer()
        self.unwraps += len(wrapped)
        return [self.keys.get(key) if key.startswith(scope) else None for key in wrapped]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._answer()
        return [key if key.startswith(scope) else None for key in wrapped]

    def version(self, wrapped: bytes) -> int:
        assert wrapped
        return 1

    def _answer(self) -> None:
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.unavailable:
            raise KeyUnavailable("the server is unavailable")


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


class Ring(Keyring):
    """A keyring without a store, whose background work runs only when a test runs it."""

    def __init__(self, service: Service, clock: Clock, limits: Limits) -> None:
        self.background_work: list[Callable[[], object]] = []
        super().__init__(
            service,
            SCOPE,
            None,
            limits=limits,
            clock=clock,
            random=os.urandom,
            background=self.background_work.append,
        )

    def write_key(self, size: int) -> DataKey:
        keys = self.self_contained_keys
        return keys.reserve_messages(keys.count_messages(size))

    def read_carried(self, wrapped: bytes, commitment: bytes) -> DataKey:
        return self.read_key(SelfContained(3, wrapped, commitment)).key


def keyring(service: Service, clock: Clock | None = None, **limits: Any) -> Ring:
    return Ring(service, clock or Clock(1000.0), dataclasses.replace(Limits(), **limits))


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Switch threads as often as the interpreter can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_key_is_generated_and_wrapped_once(service: Service) -> None:
    ring = keyring(service)
    assert len({id(ring.write_key(10)) for _ in range(1000)}) == 1
    assert service.wraps == 1


def test_key_encrypts_no_more_messages_than_its_limit(service: Service) -> None:
    ring = keyring(service, data_key_messages=3)
    used = [ring.write_key(1).wrapped for _ in range(10)]
    assert max(used.count(key) for key in used) == 3
    assert service.wraps == 4


def test_key_encrypts_no_more_bytes_than_its_limit(service: Service) -> None:
    ring = keyring(service, data_key_bytes=100)
    sizes = [60, 40, 1, 99, 100, 51, 51]
    total: dict[bytes, int] = {}
    for size in sizes:
        key = ring.write_key(size).wrapped
        total[key] = total.get(key, 0) + size
    assert list(total.values()) == [100, 100, 100, 51, 51]


def test_key_is_replaced_at_its_maximum_age(service: Service, clock: Clock) -> None:
    ring = keyring(service, clock, data_key_age=60)
    first = ring.write_key(1)
    clock.now += 59.9
    assert ring.write_key(1) is first
    clock.now += 0.1
    assert ring.write_key(1) is not first


def test_value_larger_than_a_key_limit_is_rejected_without_a_request(service: Service) -> None:
    with pytest.raises(ConfigurationError, match="data_key_bytes"):
        keyring(service, data_key_bytes=10).write_key(11)
    assert service.wraps == 0


@pytest.mark.parametrize(
    "limits",
    [
        {"data_key_messages": 2**32 + 1},
        {"data_key_messages": 0},
        {"data_key_bytes": 0},
        {"data_key_age": 0.5},
        {"data_key_cache": 0},
    ],
    ids=str,
)
def test_limits_out_of_range_are_rejected(service: Service, limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(limits))):
        keyring(service, **limits)


def test_active_key_is_used_up_to_its_limit_during_an_outage(
    service: Service, clock: Clock
) -> None:
    ring = keyring(service, clock, data_key_messages=3)
    key = ring.write_key(1)
    service.unavailable = True
    assert [ring.write_key(1) for _ in range(2)] == [key, key]
    for _ in range(3):
        with pytest.raises(KeyUnavailable):
            ring.write_key(1)
    assert ring.read_carried(key.wrapped, key.commitment) is key
    service.unavailable = False
    assert ring.write_key(1) is not key


def test_own_token_is_read_without_a_request(service: Service) -> None:
    ring = keyring(service)
    key = ring.write_key(1)
    assert ring.read_carried(key.wrapped, key.commitment) is key
    assert service.unwraps == 0


def keys_of_other_processes(service: Service, count: int) -> list[DataKey]:
    """Return keys that other processes generated."""
    return [keyring(service).write_key(1) for _ in range(count)]


def test_key_cache_is_bounded_and_evicts_the_least_recently_used(service: Service) -> None:
    keys = keys_of_other_processes(service, 4)
    ring = keyring(service, data_key_cache=3)

    def read(*order: int) -> int:
        before = service.unwraps
        for index in order:
            ring.read_carried(keys[index].wrapped, keys[index].commitment)
        return service.unwraps - before

    assert read(0, 1, 2) == 3
    assert read(0, 1, 2, 0) == 0
    assert read(3) == 1
    assert read(2, 0, 3) == 0
    assert read(1) == 1


def test_cached_key_expires_at_its_maximum_age(service: Service, clock: Clock) -> None:
    (key,) = keys_of_other_processes(service, 1)
    ring = keyring(service, clock, data_key_age=60)
    for step, unwraps in ((0, 1), (59.9, 1), (0.1, 2), (59.9, 2), (0.1, 3)):
        clock.now += step
        ring.read_carried(key.wrapped, key.commitment)
        assert service.unwraps == unwraps


def test_commitment_to_another_key_is_rejected_and_not_cached(service: Service) -> None:
    mine, other = keys_of_other_processes(service, 2)
    ring = keyring(service)
    for _ in range(2):
        with pytest.raises(DecryptionFailed):
            ring.read_carried(mine.wrapped, other.commitment)
    assert service.unwraps == 2
    assert ring.read_carried(mine.wrapped, mine.commitment).commitment == mine.commitment
    with pytest.raises(DecryptionFailed):
        ring.read_carried(mine.wrapped, other.commitment)


def test_traceback_with_locals_shows_no_data_key(service: Service) -> None:
    mine, other = keys_of_other_processes(service, 2)
    with pytest.raises(DecryptionFailed) as caught:
        keyring(service).read_carried(mine.wrapped, other.commitment)
    ours = [
        frame.frame.f_locals
        for frame in inspect.getinnerframes(caught.tb)
        if "encryption" in frame.filename and frame.filename != __file__
    ]
    assert ours
    assert not any(key in values.values() for values in ours for key in service.keys.values())


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_unwrapped_key_of_wrong_size_is_rejected(service: Service, size: int) -> None:
    service.keys[b"scope odd"] = bytes(size)
    with pytest.raises(DecryptionFailed):
        keyring(service).read_carried(b"scope odd", bytes(32))


@pytest.mark.usefixtures("eager_switching")
def test_concurrent_threads_share_one_request_per_key(service: Service) -> None:
    (theirs,) = keys_of_other_processes(service, 1)
    service.wraps, service.gate = 0, threading.Event()
    ring = keyring(service)
    started = threading.Barrier(17)

    def work(number: int) -> bytes:
        started.wait(30)
        if number % 2:
            return ring.write_key(1).wrapped
        return ring.read_carried(theirs.wrapped, theirs.commitment).wrapped

    with ThreadPoolExecutor(16) as pool:
        results = [pool.submit(work, number) for number in range(16)]
        started.wait(30)
        service.gate.set()
        assert len({result.result(30) for result in results}) == 2
    assert (service.wraps, service.unwraps) == (1, 1)


@pytest.mark.usefixtures("eager_switching")
def test_concurrent_threads_never_exceed_the_limit_of_a_key(service: Service) -> None:
    ring = keyring(service, data_key_messages=100)
    used: list[bytes] = []

    def work() -> None:
        for _ in range(1000):
            used.append(ring.write_key(1).wrapped)  # noqa: PERF401 - seen by all threads

    with ThreadPoolExecutor(8) as pool:
        for result in [pool.submit(work) for _ in range(8)]:
            result.result(60)
    assert len(used) == 8000
    assert {used.count(key) for key in set(used)} == {100}
    assert service.wraps == 80


def test_last_message_of_a_key_is_consumed_by_one_thread() -> None:
    budget = UsageLimits(messages=2, size=100, now=0, age=math.inf)
    granted: list[bool] = []
    rival = threading.Thread(target=lambda: granted.append(budget.consume(2, 0)))

    class Meddling(int):
        """A number that lets the rival thread try in the middle of the decision."""

        def __gt__(self, other: int) -> bool:
            if rival.ident is None:
                rival.start()
                rival.join(0.05)
            return int(self) > other

    granted.append(budget.consume(Meddling(2), 0))
    rival.join(30)
    assert sorted(granted) == [False, True]


def test_late_thread_uses_the_key_that_was_just_unwrapped(service: Service) -> None:
    (key,) = keys_of_other_processes(service, 1)
    ring = keyring(service)
    cached = ring.read_carried(key.wrapped, key.commitment)
    name = SelfContained(3, key.wrapped, key.commitment)
    assert ring._fetch_one(name).key is cached
    assert service.unwraps == 1


def test_waiting_threads_share_the_error_and_the_next_call_retries(service: Service) -> None:
    service.unavailable, service.gate = True, threading.Event()
    ring = keyring(service)
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(ring.write_key, 1) for _ in range(4)]
        service.gate.set()
        assert all(isinstance(result.exception(30), KeyUnavailable) for result in results)
    service.unavailable = False
    assert ring.write_key(1).wrapped in service.keys


def test_interrupt_of_the_leading_thread_raises_deadline_exceeded_for_waiters() -> None:
    flights: SingleFlight[int] = SingleFlight()
    entered, leave = threading.Event(), threading.Event()

    def interrupted() -> int:
        entered.set()
        assert leave.wait(30)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(flights.do, "key", interrupted)
        assert entered.wait(30)
        (mine,) = flights._calls.values()
        leave.set()
        assert isinstance(leader.exception(30), KeyboardInterrupt)
    assert isinstance(mine.exception(30), DeadlineExceeded)
    assert flights.do("key", lambda: 7) == 7


def test_next_key_is_generated_once_before_the_current_expires(
    service: Service, clock: Clock
) -> None:
    ring = keyring(service, clock, data_key_age=100)
    first = ring.write_key(1)
    clock.now += 89
    assert ring.write_key(1) is first
    assert ring.background_work == []
    clock.now += 1
    assert [ring.write_key(1) for _ in range(3)] == [first] * 3
    (make,) = ring.background_work
    make()
    make()
    second = ring.write_key(1)
    assert second is not first
    assert service.wraps == 2
    assert len(ring.background_work) == 1


def test_next_key_is_generated_before_the_last_messages(service: Service, clock: Clock) -> None:
    ring = keyring(service, clock, data_key_messages=100_000)
    ring.self_contained_keys.reserve_messages(89_000)
    assert ring.background_work == []
    ring.self_contained_keys.reserve_messages(2_000)
    assert len(ring.background_work) == 1


def test_key_is_used_until_it_expires_while_no_next_key_can_be_generated(
    service: Service, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ring = keyring(service, clock, data_key_age=1000)
    key = ring.write_key(1)
    service.unavailable = True
    clock.now += 900
    for attempt in range(1, 3):
        assert ring.write_key(1) is key
        assert len(ring.background_work) == attempt
        ring.background_work[-1]()
        assert caplog.messages[-1].endswith("the server is unavailable")
        clock.now += 60
    clock.now -= 20.1
    assert ring.write_key(1) is key
    clock.now += 0.1
    with pytest.raises(KeyUnavailable):
        ring.write_key(1)
    service.unavailable = False
    assert ring.write_key(1) is not key


def test_compiled_field_never_exceeds_the_limits_of_its_key(service: Service, clock: Clock) -> None:
    """Count the messages of all encryption methods together, on a clock that the test sets."""
    scope = names.Scope("shop", names.Environment.DEV)
    limits = dataclasses.replace(Limits(), data_key_messages=10, data_key_age=60)
    rows = Rows()
    cipher = FieldCipher(
        service, scope, data_keys=rows, limits=limits, clock=clock, background=lambda _: None
    )
    field = cipher.field("users.email", ["user_id"])
    times_by_header: dict[bytes, list[float]] = {}

    def one(number: int) -> Any:
        ways = (
            lambda: field.encrypt("x", 7),
            lambda: cipher.encrypt_field("x", {"user_id": 7}),
            lambda: field.encrypt_many(["x"], [7])[0],
        )
        return ways[number % 3]()

    for number in range(400):
        times_by_header.setdefault(one(number)[:5], []).append(clock.now)
        clock.now += 1 if number < 200 else 17
    assert max(map(len, times_by_header.values())) == 10
    assert max(times[-1] - times[0] for times in times_by_header.values()) < 60


def run_in_fork(work: Callable[[], bytes]) -> bytes:
    """Return the result of *work* in a child process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, work())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return result


def test_fork_generates_its_own_key(service: Service) -> None:
    ring = keyring(service)
    key = ring.write_key(1)
    child = run_in_fork(lambda: ring.write_key(1).commitment)
    assert len(child) == 32
    assert child != key.commitment
    assert ring.write_key(1) is key


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork_is_not_blocked_by_a_lock_of_another_thread(service: Service) -> None:
    service.gate = threading.Event()
    ring = keyring(service)
    generating = threading.Thread(target=ring.write_key, args=(1,))
    generating.start()
    while "write" not in ring.self_contained_keys._flights._calls:
        assert generating.is_alive()

    def work() -> bytes:
        service.gate = None
        return ring.write_key(1).wrapped

    with ring._read._lock, ring._flights._lock, ring.self_contained_keys._flights._lock:
        child = run_in_fork(work)
    service.gate.set()
    generating.join(30)
    assert child.startswith(SCOPE.bound)


def test_keys_are_not_shown_or_pickled(service: Service) -> None:
    ring = keyring(service)
    key = ring.write_key(1)
    secret = next(iter(service.keys.values()))
    for each in (ring, key):
        assert repr(secret)[2:-1] not in repr(each)
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(each)
