"""Real servers for tests: PostgreSQL, Redis and OpenBao, each private, on loopback, in a folder that goes with it.

    async def test_it(postgres_url): ...        an empty database on the session's server
    async def test_it(redis_url): ...           an empty Redis; one server a session
    with Postgres() as server: ...              a server of the test's own, to stop, kill and pause

Whoever uses one marks the test `needs_servers`. Where a program is missing the test fails and says what
to install; nothing is skipped.
"""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).resolve().parent.parent

PATIENCE = 60.0
"""seconds that a server may take to start or to end on a busy machine"""

PASSWORD = "canary-of-the-database"
"""The superuser's: it may appear nowhere but in the URL."""


class Server:
    """A process of ours and all its children. `url` stays the same over stops and starts."""

    program: str
    package: str
    leaving: int = signal.SIGKILL
    """How it ends when nobody needs it any more: at once."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"jag-{self.program}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self) -> None:
        """Once, before the first start."""

    def command(self) -> Sequence[str]:
        """What to run."""
        raise NotImplementedError

    def alive(self) -> None:
        """Raises anything until the server answers."""
        raise NotImplementedError

    def start(self) -> None:
        """Start, also after a stop or a kill, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, **self.identity())
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.alive()
            except Exception as not_yet:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.program}: {self.log()}") from not_yet
                time.sleep(0.02)

    def stop(self) -> None:
        """An orderly end, also of connections in use."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL, children too: as when the machine loses power, but for the disk."""
        self._end(signal.SIGKILL, children=True)

    def pause(self) -> None:
        """It keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on where it was."""
        self._signal(signal.SIGCONT)

    def identity(self) -> dict[str, Any]:
        """As whom it runs."""
        return {}

    def log(self) -> str:
        """What it said, for a failing test."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def found(self, program: str) -> str:
        """The program's path, also where Debian keeps the versions of PostgreSQL."""
        folders = os.pathsep.join(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))
        path = shutil.which(program) or shutil.which(program, path=folders)
        if path is None:
            raise RuntimeError(f"{program} is not installed; on Debian: apt install {self.package}")
        return path

    def _family(self) -> list[psutil.Process]:
        assert self._process is not None
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _signal(self, number: int) -> None:
        for process in self._family():
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def _leave(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self._end(self.leaving)

    def _end(self, number: int, *, children: bool = False) -> None:
        assert self._process is not None
        family = self._family()
        if children:
            self._signal(number)
        else:
            self._process.send_signal(number)
        self._process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while any(map(runs, family)) and time.monotonic() < deadline:
            time.sleep(0.01)


class Postgres(Server):
    """A cluster with one database of interest, `postgres`."""

    program = "postgres"
    package = "postgresql"
    leaving = signal.SIGQUIT  # at once, and yet it gives its shared memory back

    def prepare(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            for path in (self.folder, secret):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        made = subprocess.run(
            [self.found("initdb"), "-D", str(self._data), "--no-sync", "-U", "postgres", "-E", "UTF8",
             "--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}"],
            capture_output=True, text=True, **self.identity(),
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr}")

    def identity(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root."""
        if os.geteuid():
            return {"cwd": self.folder}
        return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": self.folder}

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
            "fsync": "off", "max_connections": 100, "shared_buffers": "16MB",
        }  # fmt: skip
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [self.found("postgres"), "-D", str(self._data), *options]

    def alive(self) -> None:
        self.execute("SELECT 1")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        """As SQLAlchemy wants it."""
        return f"postgresql+psycopg://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def found(self, program: str) -> str:
        """Not a link: it looks for its libraries beside itself."""
        return str(Path(super().found(program)).resolve())

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """One statement of a test, beside the gateway; its rows."""
        at = self.url(database).replace("+psycopg", "")
        with psycopg.connect(at, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def empty(self) -> None:
        """Without tables, and without anybody who holds on to one."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        self.execute("DROP SCHEMA public CASCADE")
        self.execute("CREATE SCHEMA public")


class Redis(Server):
    """A Redis that forgets all when it ends, unless `durable`."""

    program = "redis-server"
    package = "redis-server"

    def __init__(self, *, durable: bool = False) -> None:
        super().__init__()
        self.durable = durable

    def command(self) -> Sequence[str]:
        kept = ["--appendonly", "yes", "--appendfsync", "always"] if self.durable else ["--appendonly", "no"]
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return [self.found("redis-server"), *place, "--save", "", *kept]

    def alive(self) -> None:
        with self.client() as client:
            client.ping()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def empty(self) -> None:
        """Forget all."""
        with self.client() as client:
            client.flushall()

    def client(self) -> redis.Redis:
        """A connection of a test, beside the gateway; it asks once."""
        return redis.Redis(
            host="127.0.0.1", port=self.port, socket_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
        )


class OpenBao(Server):
    """Unsealed, in memory, with the transit engine and one derived key `vault`."""

    program = "bao"
    package = ""
    root = "canary-root-token"

    def identity(self) -> dict[str, Any]:
        return {"env": {"HOME": str(self.folder), "PATH": os.environ["PATH"]}}

    def found(self, program: str) -> str:
        """The pinned one."""
        made = subprocess.run(["sh", "tests/store/install.sh"], cwd=ROOT, capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"OpenBao: {made.stderr}")
        return made.stdout.strip().splitlines()[-1]

    def command(self) -> Sequence[str]:
        address = f"-dev-listen-address=127.0.0.1:{self.port}"
        token = f"-dev-root-token-id={self.root}"
        return [self.found("bao"), "server", "-dev", "-dev-no-store-token", address, token]

    def alive(self) -> None:
        self.ask("GET", "sys/health")

    def __enter__(self) -> Self:
        super().__enter__()
        self.ask("POST", "sys/mounts/transit", type="transit")
        self.ask("POST", "transit/keys/vault", derived=True)
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """A request of the administrator; what it answered."""
        asked = urllib.request.Request(
            f"{self.url}/v1/{path}",
            data=json.dumps(body).encode() if body else None,
            headers={"X-Vault-Token": self.root},
            method=method,
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or b"null")

    def token(self, *paths: str) -> str:
        """A token that may do no more than `update` at these paths."""
        rules = "".join(f'path "{path}" {{ capabilities = ["update"] }}\n' for path in paths)
        self.ask("PUT", "sys/policies/acl/limited", policy=rules)
        told = self.ask("POST", "auth/token/create", policies=["limited"], no_default_policy=True)
        return str(told["auth"]["client_token"])


def runs(process: psutil.Process) -> bool:
    """Whether it does anything yet. A zombie is nobody's trouble; who must bury it may take its time."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """A port on loopback that is free now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One cluster for the session; do not stop it, make your own for that."""
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> str:
    """The session's database, emptied: that is ten times quicker than another one."""
    postgres_server.empty()
    return postgres_server.url()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """One Redis for the session; do not stop it, make your own for that."""
    with Redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """An empty Redis."""
    redis_server.empty()
    return redis_server.url


@pytest.fixture(scope="session")
def openbao_server() -> Iterator[OpenBao]:
    """One OpenBao for the session; make your own keys in it, and do not stop it."""
    with OpenBao() as server:
        yield server
