"""The guard before the open internet: nothing inside is ever connected to, however it is spelt (IDENTITY.md §6 #11)."""

import asyncio
import gzip
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import limits
from gateway import public as guard
from gateway.errors import ConfigError
from gateway.http import OutwardError, Reply
from gateway.public import Internet, Names, public
from tests.authority import Authority
from tests.identity.server import Loopback, Request, respond

NAME = "assistant.example"

INSIDE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255"),
    *("172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "100.127.255.255"),
    *("100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.7"),
    *("203.0.113.9", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::10.0.0.1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1"),
    *("fc00::1", "fd00:ec2::254", "fdff::1", "ff02::1", "ff0e::1", "100::1", "5f00::1"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8"),
    *("::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.1.2.3"),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1"),
    *("3fff::1", "4000::1", "not an address", ""),
]
OUTSIDE = [
    *("8.8.8.8", "1.1.1.1", "93.184.215.14", "172.15.255.255", "172.32.0.1", "100.63.255.255"),
    *("100.128.0.1", "169.253.1.1", "192.0.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255"),
    *("2606:4700::6810:84e5", "2a00:1450:4001:80b::200e", "2001:4860:4860::8888", "64:ff9b::8.8.8.8"),
]
HOSTS = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1"),
    *("017700000001", "0", "0.0.0.0", "127.0.0.1.", "[::1]", "[::]", "[::ffff:127.0.0.1]"),
    *("[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25eth0]", "[::1", "[v1.x]"),
    *("localhost", "LOCALHOST", "localhost.", "metadata", "metadata.google.internal.", "a..b.example"),
    *("127。0。0。1", "①②⑦.⓪.⓪.①", "１２７.0.0.1", "ⅼocalhost", "as%73istant.example", "169.254.169.254"),
    *("8.8.8.8", "user@assistant.example", "user:pw@assistant.example", "@assistant.example", ""),
    *("Assistant.example", "assistant.example.", "-a.example", "a_b.example", "x.0x7f", "a.1"),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all: making keys takes a moment."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> ssl.SSLContext:
    """A certificate for `NAME`."""
    return authority.server(NAME)


async def ok(request: Request, writer: asyncio.StreamWriter) -> None:
    """200, in two letters."""
    respond(writer, b"ok")


class Resolver:
    """Answers a name with one list after the other; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Stand:
    """Loopback stands for the open internet: 127.0.0.1 is `NAME`'s server, and 127.0.0.2 is something inside."""

    def __init__(self, server: Loopback, authority: Authority) -> None:
        self.server = server
        self.authority = authority
        self.inside = 0

    def internet(self, resolve: Resolver) -> Internet:
        """Whose one port is the server's."""
        return Internet(resolve=resolve, tls=self.authority.trusted(), port=self.server.port)

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.server.port}/client.json"

    async def touched(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody came to what is inside."""
        self.inside += 1
        writer.close()


@pytest.fixture
async def stand(
    authority: Authority, theirs: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stand]:
    """Both servers at one port."""
    monkeypatch.setattr(guard, "public", lambda address: address == "127.0.0.1" or public(address))
    async with Loopback(ok, tls=theirs) as server:
        made = Stand(server, authority)
        inside = await asyncio.start_server(made.touched, "127.0.0.2", server.port)
        try:
            yield made
        finally:
            inside.close()


async def fetch(internet: Internet, url: str, *, seconds: float = 5.0, max_bytes: int = 100) -> Reply:
    """One request, in a pool of its own."""
    async with internet:
        return await internet.get(url, accept="application/json", seconds=seconds, max_bytes=max_bytes)


@pytest.mark.parametrize("address", INSIDE)
def test_pitfall_11_an_address_inside(address: str) -> None:
    """Every special-purpose range, and every way of hiding one address in another."""
    assert not public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_open_internet(address: str) -> None:
    """The neighbours of the ranges are public."""
    assert public(address)


def _near(place: tuple[str, int]) -> IPv4Address | IPv6Address:
    """An address that differs from the first in its last sixteen bits at most."""
    address = ip_address(place[0].partition("%")[0])
    return type(address)(int(address) ^ place[1])


@given(
    st.one_of(
        st.integers(0, 2**32 - 1).map(IPv4Address),
        st.integers(0, 2**125 - 1).map(lambda low: IPv6Address(2**125 + low)),
        st.tuples(st.sampled_from(INSIDE[:-2]), st.integers(0, 2**16)).map(_near),
    )
)
def test_pitfall_11_no_address_that_python_calls_private(address: IPv4Address | IPv6Address) -> None:
    """Our list of ranges lacks none of the library's."""
    if public(str(address)):
        assert address.is_global and not address.is_multicast


@pytest.mark.parametrize("host", HOSTS)
async def test_pitfall_11_a_host_that_is_no_public_name(host: str) -> None:
    """An address in any spelling, a name without dots, another's spelling of a name: not even looked up."""
    resolver = Resolver(["8.8.8.8"])
    internet = Internet(resolve=resolver)
    assert internet.refusal(f"https://{host}/client.json")
    with pytest.raises(OutwardError) as refused:
        await fetch(internet, f"https://{host}/client.json")
    assert not refused.value.sent and not resolver.asked


@pytest.mark.parametrize(
    "url",
    [
        f"http://{NAME}/c",
        f"ftp://{NAME}/c",
        "file:///etc/passwd",
        f"//{NAME}/c",
        f"https:{NAME}/c",
        f"https:\\\\{NAME}\\c",
        f"https://{NAME}\\@inside/c",
        f"https://{NAME}/a b",
        f"https://{NAME}/a\r\nX: y",
        f"https://{NAME}/é",
        f"https://{NAME}:80/c",
        f"https://{NAME}:22/c",
        f"https://{NAME}:8443/c",
        f"https://{NAME}:0443/c",
        f"https://{NAME}:99999/c",
        f"https://{NAME}:x/c",
        "",
    ],
)
async def test_pitfall_11_only_https_at_port_443(url: str) -> None:
    """No other scheme, port or trick of spelling."""
    assert Internet().refusal(url)


def test_the_port_rule_is_told() -> None:
    """In a developer's words."""
    assert Internet().refusal(f"https://{NAME}:8443/c") == "its port is not 443"


@pytest.mark.parametrize(
    "url", [f"https://{NAME}/c", f"https://{NAME}:443/c", "https://xn--bcher-kva.example/c"]
)
def test_what_may_be_asked(url: str) -> None:
    """A public name, with or without the port said."""
    assert Internet().refusal(url) == ""


@pytest.mark.parametrize("answer", [[one] for one in INSIDE if one != "127.0.0.1"] + [["127.0.0.2"], []])
async def test_pitfall_11_a_name_that_leads_inside(stand: Stand, answer: list[str]) -> None:
    """Refused before any connection, and told as a failed connection like any other."""
    with pytest.raises(OutwardError) as refused:
        await fetch(stand.internet(Resolver(answer)), stand.url)
    assert not refused.value.sent
    assert stand.inside == stand.server.connections == 0
    assert "public" not in str(refused.value) and not (answer and answer[0] in str(refused.value).split())


@pytest.mark.parametrize(
    "answer", [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "::1"]]
)
async def test_pitfall_11_split_answers(stand: Stand, answer: list[str]) -> None:
    """One address inside refuses the public ones beside it, in any order."""
    with pytest.raises(OutwardError):
        await fetch(stand.internet(Resolver(answer)), stand.url)
    assert stand.inside == stand.server.connections == 0


async def test_too_many_addresses_are_refused(stand: Stand) -> None:
    """No name of an honest assistant has more."""
    with pytest.raises(OutwardError):
        await fetch(stand.internet(Resolver(["127.0.0.1"] * (limits.NAME_ADDRESSES + 1))), stand.url)
    assert stand.server.connections == 0


async def test_pitfall_11_dns_rebinding(stand: Stand) -> None:
    """The name is looked up once for each fetch, and the connection goes to what was checked: the second answer,
    which is inside, is only ever seen by the second fetch, which is refused."""
    resolver = Resolver(["127.0.0.1"], ["127.0.0.2"])
    async with stand.internet(resolver) as internet:
        reply = await internet.get(stand.url, accept="*/*", seconds=5, max_bytes=100)
        assert reply.body == b"ok" and resolver.asked == [NAME]
        with pytest.raises(OutwardError):
            await internet.get(stand.url, accept="*/*", seconds=5, max_bytes=100)
    assert resolver.asked == [NAME, NAME]
    assert (stand.server.connections, stand.inside) == (1, 0)


async def test_the_certificate_must_be_the_names(stand: Stand) -> None:
    """The address is pinned, and the certificate is still checked against the name."""
    other = stand.url.replace(NAME, "other.example")
    with pytest.raises(OutwardError):
        await fetch(stand.internet(Resolver(["127.0.0.1"])), other)
    with pytest.raises(OutwardError):  # nor is an authority trusted that the system does not know
        await fetch(Internet(resolve=Resolver(["127.0.0.1"]), port=stand.server.port), stand.url)
    assert not stand.server.requests


async def test_pitfall_12_redirects_are_not_followed(stand: Stand) -> None:
    """A redirect is an answer like another."""

    async def away(request: Request, writer: asyncio.StreamWriter) -> None:
        respond(writer, b"", 302, {"Location": f"https://127.0.0.2:{stand.server.port}/"})

    stand.server.answer = away
    reply = await fetch(stand.internet(Resolver(["127.0.0.1"])), stand.url)
    assert reply.status == 302
    assert len(stand.server.requests) == 1 and stand.inside == 0


async def test_nothing_is_sent_along_and_nothing_kept(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the environment, no cookie of the answer before, no connection of before."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.2:{stand.server.port}")

    async def sticky(request: Request, writer: asyncio.StreamWriter) -> None:
        respond(writer, b"ok", headers={"Set-Cookie": "a=b; Path=/"})

    stand.server.answer = sticky
    async with stand.internet(Resolver(["127.0.0.1"])) as internet:
        for _ in range(2):
            await internet.get(stand.url, accept="application/json", seconds=5, max_bytes=100)
    assert stand.server.connections == 2 and stand.inside == 0
    for request in stand.server.requests:
        assert request.headers.keys() == {"host", "accept", "accept-encoding", "user-agent", "connection"}
        assert request.headers["connection"] == "close"


async def test_too_large_is_refused_with_a_length_or_without(stand: Stand) -> None:
    """One byte more than the cap; and a bomb is not unpacked."""

    async def large(request: Request, writer: asyncio.StreamWriter) -> None:
        kind = request.path.strip("/")
        if kind == "chunked":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n")
        elif kind == "gzip":
            respond(writer, gzip.compress(b"x" * 101), headers={"Content-Encoding": "gzip"})
        else:
            respond(writer, b"x" * (100 if kind == "fits" else 101))

    stand.server.answer = large
    base = stand.url.removesuffix("client.json")
    for kind in ("chunked", "gzip", "declared"):
        with pytest.raises(OutwardError):
            await fetch(stand.internet(Resolver(["127.0.0.1"])), base + kind)
    assert len((await fetch(stand.internet(Resolver(["127.0.0.1"])), base + "fits")).body) == 100


async def test_a_drip_ends_at_the_deadline(stand: Stand) -> None:
    """The whole answer, not each piece of it, has the time."""

    async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    stand.server.answer = drip
    with pytest.raises(OutwardError, match="no whole answer"):
        await fetch(stand.internet(Resolver(["127.0.0.1"])), stand.url, seconds=0.4)


async def test_a_name_server_that_never_answers_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lookups wait in threads of their own, and the fetch ends all the same."""
    released = threading.Event()
    names = Names()

    def never(*_: object, **__: object) -> None:
        released.wait(60)
        raise socket.gaierror("late")

    monkeypatch.setattr("gateway.public.socket.getaddrinfo", never)
    monkeypatch.setattr(limits, "NAME_SECONDS", 0.1)
    try:
        stuck = [names(f"n{n}.example") for n in range(3 * limits.NAME_THREADS)]
        failed = await asyncio.gather(*stuck, return_exceptions=True)
        assert all(isinstance(one, OSError) for one in failed)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 30) == "free"
        assert sum(t.name.startswith("names") for t in threading.enumerate()) <= limits.NAME_THREADS
    finally:
        released.set()
        names.close()


async def test_names_are_looked_up_by_the_system() -> None:
    """The addresses as text, each once; a name that is none is an OSError."""
    names = Names()
    try:
        assert "127.0.0.1" in await names("localhost")
        for wrong in ("a" * 64 + ".example", "nothing.invalid"):
            with pytest.raises(OSError):
                await names(wrong)
    finally:
        names.close()


async def test_private_hosts_are_let_through_at_their_port_alone(authority: Authority) -> None:
    """By the exact name and port of the settings; without a port, 443."""
    async with Loopback(ok, tls=authority.server("localhost")) as server:
        url = server.url("/c", "localhost", "https")
        known = Internet(private_hosts=[f"localhost:{server.port}"], private_ca_file=authority.file)
        assert (await fetch(known, url)).body == b"ok"
        assert known.refusal("https://localhost/c") and known.refusal(f"http://localhost:{server.port}/c")
        assert known.refusal(server.url("/c", "127.0.0.1", "https"))
        bare = Internet(private_hosts=["localhost"], private_ca_file=authority.file)
        assert bare.refusal(url) and not bare.refusal("https://localhost/c")
        assert not bare.refusal("https://localhost:443/c")
        with pytest.raises(OutwardError):  # the authority is named, or it is not trusted
            await fetch(Internet(private_hosts=[f"localhost:{server.port}"]), url)
        assert len(server.requests) == 1


async def test_private_authorities_are_not_trusted_for_the_open_internet(stand: Stand) -> None:
    """A company's own authority speaks for its private hosts only."""
    internet = Internet(
        private_hosts=["localhost"],
        private_ca_file=stand.authority.file,
        resolve=Resolver(["127.0.0.1"]),
        port=stand.server.port,
    )
    with pytest.raises(OutwardError):
        await fetch(internet, stand.url)
    assert not stand.server.requests


@pytest.mark.parametrize(
    "entry", ["", "https://a.example", "a.example/x", "a.example:x", "u@a.example", "a b", "*"]
)
def test_private_hosts_are_exact(entry: str) -> None:
    """Neither URL nor path nor user nor pattern."""
    with pytest.raises(ConfigError, match="private_hosts"):
        Internet(private_hosts=[entry])


def test_an_authority_that_is_none(tmp_path: Path) -> None:
    """Told at start."""
    (tmp_path / "empty.pem").write_text("nothing")
    for file in (tmp_path / "empty.pem", tmp_path / "absent.pem"):
        with pytest.raises(ConfigError, match="private_ca_file"):
            Internet(private_hosts=["localhost"], private_ca_file=file)
