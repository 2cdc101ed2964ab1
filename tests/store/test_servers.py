"""The servers that other tests stand on: they start, stop, die, pause and come back."""

import threading
import time

import psycopg
import pytest
import redis

from tests.servers import Postgres, Redis

pytestmark = pytest.mark.needs_servers


def test_postgres_comes_back_after_a_kill() -> None:
    """What was committed before SIGKILL is there after the next start."""
    with Postgres() as server:
        server.execute("CREATE TABLE kept (n int)")
        server.execute("INSERT INTO kept VALUES (7)")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            server.execute("SELECT 1")
        server.start()
        assert server.execute("SELECT n FROM kept") == [(7,)]
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            server.execute("SELECT 1")


def test_a_paused_redis_answers_when_it_goes_on() -> None:
    """A pause keeps connections and loses nothing."""
    with Redis() as server:
        client = server.client()
        client.set("a", "1")
        server.pause()
        threading.Timer(0.3, server.resume).start()
        began = time.monotonic()
        assert client.get("a") == b"1"
        assert time.monotonic() - began > 0.2
        client.close()


def test_a_durable_redis_keeps_its_keys_over_a_kill() -> None:
    """With an append-only file that is synced always."""
    with Redis(durable=True) as server:
        with server.client() as client:
            client.set("a", "1")
        server.kill()
        server.start()
        with server.client() as client:
            assert client.get("a") == b"1"


def test_each_test_has_an_empty_database(postgres_url: str, redis_url: str) -> None:
    """The session's servers are shared, what is in them is not."""
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert rows == (0,)
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
