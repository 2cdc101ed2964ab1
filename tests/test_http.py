"""The one door outward, against servers that drip, reset, flood, redirect and remember (F2, F6, F8-F10)."""

import asyncio
import datetime
import gzip
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil  # type: ignore[import-untyped]
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from gateway import limits
from gateway.http import Ask, Outward, OutwardError, UnusableReply
from tests.identity.server import Loopback, Request, private_key, reset, respond

MIB = 1024 * 1024
CANARY = "canary-grant-7f3a"
HOSTS = pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])


@pytest.fixture
async def outward() -> AsyncIterator[Outward]:
    """An open pool."""
    async with Outward() as pool:
        yield pool


async def failure(outward: Outward, ask: Ask) -> OutwardError:
    """The error that `ask` ends in."""
    with pytest.raises(OutwardError) as caught:
        await outward.send(ask)
    return caught.value


async def ok(request: Request, writer: asyncio.StreamWriter) -> None:
    """200, in two letters."""
    respond(writer, b"ok")


@HOSTS
async def test_an_answer_whatever_its_status(outward: Outward, host: str) -> None:
    """Status, headers without regard to case, and the body; our request carries nothing unasked."""

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        respond(writer, request.body, 418, {"X-Thing": "1"})

    async with Loopback(serve) as server:
        ask = Ask("POST", server.url("/a%2Fb?q=%20", host), headers={"A": "b"}, body=b"hello")
        reply = await outward.send(ask)

    assert (reply.status, reply.body, reply.headers["x-thing"]) == (418, b"hello", "1")
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/a%2Fb?q=%20")
    assert {"host", "a", "accept-encoding", "user-agent", "content-length"} == request.headers.keys()
    assert request.headers["accept-encoding"] == "identity"


@HOSTS
async def test_a_drip_ends_at_the_deadline(outward: Outward, host: str) -> None:
    """The deadline is for the whole answer, not for each read (F2)."""

    async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with Loopback(drip) as server:
        began = time.monotonic()
        error = await failure(outward, Ask("GET", server.url("/", host), seconds=0.3))
        took = time.monotonic() - began

    assert error.sent
    assert "no whole answer" in str(error)
    assert 0.3 <= took < 10


@HOSTS
async def test_silence_ends_at_the_deadline(outward: Outward, host: str) -> None:
    """Accepted and then nothing, and with headers that never end."""

    async def silent(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path == "/headers":
            writer.write(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.01)
        await asyncio.sleep(3600)

    async with Loopback(silent) as server:
        for path in ("/", "/headers"):
            error = await failure(outward, Ask("GET", server.url(path, host), seconds=0.2))
            assert error.sent


@HOSTS
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_reset_in_mid_body_is_an_error_after_sending(
    outward: Outward, host: str, method: str
) -> None:
    """Half an answer is none, and the request is not sent again (F6)."""

    async def torn(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()
        await asyncio.sleep(0.02)
        reset(writer)

    async with Loopback(torn) as server:
        error = await failure(outward, Ask(method, server.url("/", host)))
        assert error.sent
        assert len(server.requests) == 1


@HOSTS
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_request_on_a_dying_kept_connection_is_sent_once(
    outward: Outward, host: str, method: str
) -> None:
    """Nothing below us tries again; only the caller knows what a second time would do."""

    async def once(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path == "/second":
            writer.transport.abort()
        else:
            respond(writer, b"ok")

    async with Loopback(once) as server:
        await outward.send(Ask("GET", server.url("/first", host)))
        error = await failure(outward, Ask(method, server.url("/second", host), body=b"x"))

        assert error.sent
        assert [r.path for r in server.requests] == ["/first", "/second"]
        assert server.connections == 1


@HOSTS
async def test_a_closed_port_was_certainly_not_sent(outward: Outward, host: str) -> None:
    """Only then is `sent` false."""
    async with Loopback(ok) as server:
        url = server.url("/secret/path?q=secret", host)
    error = await failure(outward, Ask("POST", url, body=b"x"))
    assert not error.sent
    assert "secret" not in str(error)


async def test_a_closed_pool_sends_nothing() -> None:
    """Before it is opened and after it was closed."""
    async with Loopback(ok) as server:
        pool = Outward()
        assert not (await failure(pool, Ask("GET", server.url()))).sent
        async with pool:
            await pool.send(Ask("GET", server.url()))
        assert not (await failure(pool, Ask("GET", server.url()))).sent
        assert len(server.requests) == 1


def resident() -> int:
    """bytes of memory of this process."""
    return int(psutil.Process().memory_info().rss)


@HOSTS
async def test_a_compressed_answer_is_refused_unread(outward: Outward, host: str) -> None:
    """200 kB that would become 200 MB, though we asked for no compression (F8)."""
    bomb = gzip.compress(b"\0" * (200 * MIB), 9)

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        respond(writer, bomb, headers={"Content-Encoding": request.path.strip("/")})

    async with Loopback(serve) as server:
        before = resident()
        for coding in ("gzip", "GZIP", "deflate", "br", "identity,gzip", "x"):
            error = await failure(outward, Ask("GET", server.url(f"/{coding}", host)))
            assert type(error) is UnusableReply
            assert "compressed" in str(error)
        assert resident() - before < 32 * MIB


@HOSTS
@pytest.mark.parametrize("declared", [True, False])
async def test_the_cap_is_exact(outward: Outward, host: str, declared: bool) -> None:
    """8 MiB are read and one byte more is not, with a length or without (F8)."""

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        body = b"x" * int(request.path.strip("/"))
        if declared:
            respond(writer, body)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    async with Loopback(serve) as server:
        whole = await outward.send(Ask("GET", server.url(f"/{limits.UPSTREAM_BYTES}", host)))
        assert len(whole.body) == limits.UPSTREAM_BYTES
        error = await failure(outward, Ask("GET", server.url(f"/{limits.UPSTREAM_BYTES + 1}", host)))
        assert "more than" in str(error)


async def test_a_declared_length_beyond_the_cap_is_refused_at_once(outward: Outward) -> None:
    """Before the first byte of the body, which here never comes."""

    async def boast(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        await asyncio.sleep(3600)

    async with Loopback(boast) as server:
        error = await failure(outward, Ask("GET", server.url(), seconds=5))
    assert type(error) is UnusableReply
    assert error.status == 200


@HOSTS
async def test_endless_chunks_end_at_the_cap(outward: Outward, host: str) -> None:
    """And memory stays flat (F8)."""
    sent = 0

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
            sent += 65536

    async with Loopback(serve) as server:
        before = resident()
        error = await failure(outward, Ask("GET", server.url("/", host)))

    assert type(error) is UnusableReply
    assert resident() - before < 32 * MIB
    assert sent < limits.UPSTREAM_BYTES + 8 * MIB


async def test_after_a_refused_answer_the_pool_is_clean(outward: Outward) -> None:
    """What was left unread never becomes the next answer."""

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        respond(writer, b"x" * 3000 if request.path == "/large" else b"small")

    async with Loopback(serve) as server:
        for _ in range(5):
            await failure(outward, Ask("GET", server.url("/large"), max_bytes=2000))
            assert (await outward.send(Ask("GET", server.url("/small")))).body == b"small"


async def test_after_a_cancelled_request_the_pool_is_clean(outward: Outward) -> None:
    """Nor does an answer that nobody waited for."""

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path == "/slow":
            await asyncio.sleep(0.1)
        respond(writer, request.path.encode())

    async with Loopback(serve) as server:
        await outward.send(Ask("GET", server.url("/warm")))
        slow = asyncio.create_task(outward.send(Ask("GET", server.url("/slow"))))
        await asyncio.sleep(0.03)
        slow.cancel()
        answers = await asyncio.gather(*(outward.send(Ask("GET", server.url(f"/{n}"))) for n in range(20)))
        assert [f"/{n}".encode() for n in range(20)] == [answer.body for answer in answers]
        assert slow.cancelled()


@HOSTS
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_pitfall_12_a_redirect_is_an_answer(outward: Outward, host: str, status: int) -> None:
    """It is not followed, and the credential goes nowhere else (F9)."""
    async with Loopback(ok) as elsewhere:

        async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
            respond(writer, b"", status, {"Location": elsewhere.url("/", host)})

        async with Loopback(serve) as server:
            ask = Ask("GET", server.url("/", host), headers={"Authorization": CANARY})
            assert status == (await outward.send(ask)).status
        assert elsewhere.connections == 0


@HOSTS
async def test_a_challenge_elsewhere_is_not_answered(outward: Outward, host: str) -> None:
    """A 401 that names another authorization server is only a 401 (F9)."""
    async with Loopback(ok) as elsewhere:

        async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
            respond(writer, b"", 401, {"WWW-Authenticate": f'Bearer as_uri="{elsewhere.url("/", host)}"'})

        async with Loopback(serve) as server:
            assert (await outward.send(Ask("GET", server.url("/", host)))).status == 401
            assert len(server.requests) == 1
        assert elsewhere.connections == 0


@HOSTS
async def test_no_cookie_is_ever_sent(outward: Outward, host: str) -> None:
    """Ana's session must not ride on bo's request (F10)."""

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        respond(writer, b"", headers={"Set-Cookie": "session=ana; Path=/; Max-Age=3600"})

    async with Loopback(serve) as server:
        for name in ("ana", "bo", "ana"):
            await outward.send(Ask("GET", server.url("/", host), headers={"Authorization": name}))

        assert len(server.requests) == 3
        assert not [r for r in server.requests if "cookie" in r.headers]
        assert [r.headers["authorization"] for r in server.requests] == ["ana", "bo", "ana"]


@HOSTS
async def test_the_environment_chooses_no_proxy_and_no_password(
    host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither proxy variables nor a .netrc change where a request goes or what it carries."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {host} login thief password thief\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with Loopback(ok) as proxy, Loopback(ok) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with Outward() as pool:
            await pool.send(Ask("GET", server.url("/", host)))

        assert proxy.connections == 0
        assert "authorization" not in server.requests[0].headers


async def test_an_error_does_not_hold_the_credential(outward: Outward) -> None:
    """Neither its text nor what a traceback or a debugger finds behind it (F36)."""

    async def nonsense(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.startswith("/close"):
            writer.transport.abort()
        else:
            writer.write(b"HTTP/1.1 abc\r\n\r\n")

    async with Loopback(nonsense) as server:
        for path in ("/nonsense", "/close"):
            url = f"http://user:{CANARY}@127.0.0.1:{server.port}{path}?q={CANARY}"
            error = await failure(outward, Ask("GET", url, headers={"Authorization": CANARY}))
            assert error.sent
            assert error.__cause__ is error.__context__ is None
            assert CANARY not in repr(error) + str(error)
    assert CANARY not in repr(
        Ask("GET", "http://a.test", headers={"Authorization": CANARY}, body=CANARY.encode())
    )


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "//127.0.0.1", "nonsense", ""])
async def test_other_schemes_are_refused(outward: Outward, url: str) -> None:
    """Only http and https are spoken."""
    assert not (await failure(outward, Ask("GET", url))).sent


async def test_a_header_cannot_bring_another(outward: Outward) -> None:
    """A line end in a value is refused before anything is written."""
    async with Loopback(ok) as server:
        ask = Ask("GET", server.url(), headers={"A": "b\r\nX-Admin: 1"})
        assert await failure(outward, ask)
        assert server.requests == []


async def test_connections_are_kept_and_bounded() -> None:
    """One connection serves one after another, and no more than told serve at once."""
    at_once = most = 0

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        respond(writer, b"ok")

    async with Loopback(serve) as server, Outward(connections=4) as pool:
        await asyncio.gather(*(pool.send(Ask("GET", server.url())) for _ in range(40)))
        assert (most, server.connections) == (4, 4)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for loopback, with its key."""
    key = private_key("P-256", 77)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "loopback.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@HOSTS
async def test_tls_is_verified_with_one_context(
    host: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context is built for the pool, never for a request, and an unknown authority is refused unsent."""
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(certificate)
    ours = ssl.create_default_context(cafile=certificate)

    async def closing(request: Request, writer: asyncio.StreamWriter) -> None:
        respond(writer, b"ok", headers={"Connection": "close"})

    def build(*_: object, **__: object) -> None:
        raise AssertionError("a TLS context was built for a request")

    async with Loopback(closing, tls=theirs) as server, Outward(tls=ours) as pool, Outward() as plain:
        monkeypatch.setattr(ssl, "create_default_context", build)
        monkeypatch.setattr(aiohttp.connector, "_make_ssl_context", build)
        url = server.url("/", host, "https")
        assert [(await pool.send(Ask("GET", url))).body for _ in range(3)] == [b"ok"] * 3
        assert server.connections == 3

        error = await failure(plain, Ask("GET", url, headers={"Authorization": CANARY}))
        assert not error.sent
        assert len(server.requests) == 3
