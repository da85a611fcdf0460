"""Locks and the epoch on a real Redis, each seen by two processes' worth of clients and for two feeds."""

import time
from datetime import timedelta

import pytest
import redis

from ledgertide.embedded.valkey import Valkey
from limiter.client import LimiterUnavailableError
from limiter.epoch import Epoch
from limiter.locks import HELD_FOR, QueueingLock


def test_at_most_one_message_of_a_feed_waits_on_a_queue(redis_url: str) -> None:
    here, there = QueueingLock(redis_url), QueueingLock(redis_url)

    assert here.take("sync", "acme-contacts")
    assert not there.take("sync", "acme-contacts")
    assert there.take("sync", "bolt-contacts")
    here.close()
    there.close()


def test_a_press_may_be_sent_while_an_older_message_waits_elsewhere(redis_url: str) -> None:
    lock = QueueingLock(redis_url)
    lock.take("sync", "acme-contacts")

    assert lock.take("now", "acme-contacts")
    assert not lock.take("now", "acme-contacts")
    lock.close()


def test_a_freed_feed_may_be_sent_again_and_only_that_one(redis_url: str) -> None:
    publisher, worker = QueueingLock(redis_url), QueueingLock(redis_url)
    for feed_id in ("acme-contacts", "bolt-contacts"):
        publisher.take("sync", feed_id)
        publisher.take("now", feed_id)

    worker.free(["sync", "now"], "acme-contacts")
    worker.free([], "bolt-contacts")

    assert publisher.take("sync", "acme-contacts")
    assert publisher.take("now", "acme-contacts")
    assert not publisher.take("sync", "bolt-contacts")
    publisher.close()
    worker.close()


def test_a_copy_that_comes_late_frees_no_later_message(redis_url: str) -> None:
    publisher, zombie = QueueingLock(redis_url), QueueingLock(redis_url)
    publisher.take("sync", "acme-contacts", 2)

    zombie.free(["sync"], "acme-contacts", 1)
    assert not publisher.take("sync", "acme-contacts", 3)

    zombie.free(["sync"], "acme-contacts", 2)
    assert publisher.take("sync", "acme-contacts", 3)
    publisher.close()
    zombie.close()


def test_a_lost_message_blocks_no_longer_than_a_lease(redis_url: str) -> None:
    lock = QueueingLock(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        lock.take("sync", "acme-contacts")

        lives = [client.pttl(key) for key in client.scan_iter("ledgertide:*")]

    assert len(lives) == 1
    assert 0 < lives[0] <= HELD_FOR / timedelta(milliseconds=1) == 45_000
    lock.close()


def test_a_lock_ends_by_itself(redis_url: str) -> None:
    lock = QueueingLock(redis_url, held_for=timedelta(seconds=0.2))
    lock.take("sync", "acme-contacts")

    deadline = time.monotonic() + 20
    while not lock.take("sync", "acme-contacts"):
        assert time.monotonic() < deadline
    lock.close()


def test_there_is_no_epoch_in_a_new_redis(redis_url: str) -> None:
    epoch = Epoch(redis_url)

    assert epoch.current() is None
    epoch.close()


def test_whoever_begins_an_epoch_first_sets_it_for_all(redis_url: str) -> None:
    here, there = Epoch(redis_url), Epoch(redis_url)

    begun = here.begin()

    assert there.begin() == begun == there.current() == here.current()
    here.close()
    there.close()


def test_a_wiped_redis_shows_by_its_epoch(redis_url: str) -> None:
    epoch = Epoch(redis_url)
    before = epoch.begin()

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()

    assert epoch.current() is None
    assert epoch.begin() != before
    epoch.close()


def test_without_redis_locks_and_epochs_say_so(own_redis: Valkey) -> None:
    lock, epoch = QueueingLock(own_redis.url), Epoch(own_redis.url)
    assert lock.take("sync", "acme-contacts")

    own_redis.stop()

    with pytest.raises(LimiterUnavailableError):
        lock.take("sync", "bolt-contacts")
    with pytest.raises(LimiterUnavailableError):
        lock.free(["sync"], "acme-contacts")
    with pytest.raises(LimiterUnavailableError):
        epoch.current()
    with pytest.raises(LimiterUnavailableError):
        epoch.begin()
    lock.close()
    epoch.close()
