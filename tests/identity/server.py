"""Servers on loopback for the tests: any HTTP answer, byte for byte, and a small identity provider.

Raw asyncio, so that a test can drip, hang, reset, lie and count.
"""

import asyncio
import base64
import hmac
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ALGORITHMS = get_default_algorithms()
GATEWAY = "https://gateway.test/mcp"
JIRA = "https://jira.test"
SECRET = "s3cret: +%&é"


@dataclass
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


class Loopback:
    """An HTTP/1.1 server on 127.0.0.1 that lets a function write the answer."""

    def __init__(self, answer: Answer, *, tls: Any = None) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; on the port of before, if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            self._server = None
            await asyncio.sleep(0)

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        """An address here."""
        return f"{scheme}://{host}:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await _read(reader)
                self.requests.append(request)
                await self.answer(request, writer)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def respond(
    writer: asyncio.StreamWriter,
    body: bytes | object = b"",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> None:
    """A whole answer; anything but bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Text", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


def reset(writer: asyncio.StreamWriter) -> None:
    """Tear the connection down with a TCP RST."""
    found = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@cache
def private_key(kind: str, number: int = 0) -> Any:
    """A private key, made once for a run; `number` tells keys of one kind apart."""
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP384R1() if kind == "P-384" else ec.SECP256R1())


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    name = _algorithm(key)
    return {**ALGORITHMS[name].to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


def _algorithm(key: Any) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    return "ES384" if isinstance(key.curve, ec.SECP384R1) else "ES256"


def sign(header: Any, payload: Any, key: Any, algorithm: str | None = None) -> str:
    """A compact JWS of whatever is given; bytes go in as they are. A `bytes` key is an HMAC secret."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signing = ".".join(map(b64, parts)).encode()
    if isinstance(key, bytes):
        signature = hmac.digest(key, signing, "sha256")
    else:
        signature = ALGORITHMS[algorithm or _algorithm(key)].sign(signing, key)
    return f"{signing.decode()}.{b64(signature)}"


@dataclass
class Faults:
    """What the provider does wrong, until told otherwise."""

    status: int | None = None
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    delay: float = 0.0
    metadata: dict[str, Any] = field(default_factory=dict)
    refuse: tuple[int, str, str] | None = None
    dead: frozenset[str] = frozenset()
    """Subject tokens that were revoked."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Lies in an exchanged token; None leaves a claim out."""
    answer: dict[str, Any] = field(default_factory=dict)
    """Lies around it; None leaves a member out."""
    signer: Any = None


class Idp(Loopback):
    """An identity provider: metadata, keys, token exchange. `mint` makes what it would issue."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.faults = Faults()
        self.keys: dict[str, Any] = {"ec": private_key("P-256"), "rsa": private_key("RSA")}
        self.published: list[Any] | None = None
        self.fetches = 0
        self.exchanges: list[dict[str, str]] = []

    @property
    def issuer(self) -> str:
        """`iss`."""
        return f"http://127.0.0.1:{self.port}"

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims for the gateway; None leaves one out."""
        now = int(time.time())
        good = {
            "iss": self.issuer,
            "aud": GATEWAY,
            "sub": "ana",
            "client_id": "assistant",
            "scope": "jira:read jira:write",
            "iat": now,
            "exp": now + 300,
            "jti": "t-1",
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def mint(self, kid: str = "ec", header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A token signed with one of our keys."""
        key = self.keys[kid]
        head = {"alg": _algorithm(key), "typ": "at+jwt", "kid": kid, **(header or {})}
        return sign(head, self.claims(**changes), key)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        faults = self.faults
        if request.path == "/jwks":
            self.fetches += 1
        if faults.delay:
            await asyncio.sleep(faults.delay)
        if faults.hang:
            await asyncio.sleep(3600)
        if faults.status or faults.body is not None:
            respond(writer, faults.body or b"<html>no</html>", faults.status or 200, faults.headers)
        elif request.path == "/jwks":
            keys = [jwk(key, kid, alg=_algorithm(key)) for kid, key in self.keys.items()]
            respond(writer, {"keys": keys if self.published is None else self.published})
        elif request.path == "/.well-known/openid-configuration":
            respond(writer, {"issuer": self.issuer, "jwks_uri": self.url("/jwks"), **faults.metadata})
        elif request.path == "/token":
            self._exchange(request, writer)
        else:
            respond(writer, b"", 404)

    def _exchange(self, request: Request, writer: asyncio.StreamWriter) -> None:
        form = dict(parse_qsl(request.body.decode(), strict_parsing=True))
        self.exchanges.append(form)
        dead = (400, "invalid_grant", "revoked") if form["subject_token"] in self.faults.dead else None
        refuse = self.faults.refuse or dead
        if refuse:
            status, error, described = refuse
            respond(writer, {"error": error, "error_description": described}, status)
            return
        pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        if [unquote_plus(part) for part in pair.split(":")] != ["gate way", SECRET]:
            respond(writer, {"error": "invalid_client"}, 401)
            return
        subject = json.loads(base64.urlsafe_b64decode(form["subject_token"].split(".")[1] + "=="))
        changes = {
            "sub": subject["sub"],
            "aud": form["audience"],
            "scope": form["scope"],
            "exp": subject["exp"],
            "client_id": "gate way",
            "jti": f"j-{len(self.exchanges)}",
            **self.faults.claims,
        }
        answer = {
            "access_token": self.mint(**changes)
            if self.faults.signer is None
            else sign(
                {"alg": "ES256", "typ": "at+jwt", "kid": "ec"}, self.claims(**changes), self.faults.signer
            ),
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": max(1, subject["exp"] - int(time.time())),
            "scope": form["scope"],
            **self.faults.answer,
        }
        respond(writer, {name: value for name, value in answer.items() if value is not None})


@asynccontextmanager
async def idp() -> AsyncIterator[Idp]:
    """A running identity provider."""
    provider = Idp()
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()
