"""A stand-in for AWS KMS that speaks its protocol: JSON 1.1 over HTTP, each request signed (SigV4).

    POST /   X-Amz-Target: TrentService.GenerateDataKey | Decrypt | ReEncrypt
    https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html

Nothing is answered whose signature is not right. A ciphertext names its key, is bound to its encryption
context, and says nothing else to whoever asks wrongly (InvalidCiphertextException).
"""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

REGION = "eu-test-1"
ACCESS_KEY, SECRET_KEY = "AKIATESTTESTTESTTEST", "canary-secret-of-aws"
ARN = f"arn:aws:kms:{REGION}:111122223333:key/"


class Refusal(Exception):
    """What KMS answers instead."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class Kms:
    """`keys` by their ARN; `aliases` lead to them; `contexts` are those that CloudTrail would show."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}
        self.aliases: dict[str, str] = {}
        self.contexts: list[dict[str, str]] = []
        self.faults: list[Refusal] = []
        """The next answers."""
        self.app = Starlette(routes=[Route("/", self._answer, methods=["POST"])])

    def make(self, alias: str) -> str:
        """A new key, to which the alias leads from now on; its ARN."""
        arn = ARN + secrets.token_hex(8)
        self.keys[arn] = secrets.token_bytes(32)
        self.aliases[alias] = arn
        return arn

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        try:
            _signed(request, body)
            if self.faults:
                raise self.faults.pop(0)
            told = self._do(request.headers["x-amz-target"], json.loads(body))
        except Refusal as refusal:
            told = {"__type": refusal.code, "message": "because"}
            return _json(told, refusal.status)
        return _json(told, 200)

    def _do(self, target: str, asked: dict[str, Any]) -> dict[str, Any]:
        what = target.removeprefix("TrentService.")
        if what == "GenerateDataKey":
            assert asked["KeySpec"] == "AES_256"
            plain = secrets.token_bytes(32)
            arn, blob = self._encrypt(asked["KeyId"], plain, asked["EncryptionContext"])
            return {"Plaintext": _text(plain), "CiphertextBlob": _text(blob), "KeyId": arn}
        if what == "Decrypt":
            arn, plain = self._decrypt(asked["CiphertextBlob"], asked["KeyId"], asked["EncryptionContext"])
            return {"Plaintext": _text(plain), "KeyId": arn}
        if what == "ReEncrypt":
            source, plain = self._decrypt(
                asked["CiphertextBlob"], asked["SourceKeyId"], asked["SourceEncryptionContext"]
            )
            arn, blob = self._encrypt(asked["DestinationKeyId"], plain, asked["DestinationEncryptionContext"])
            return {"CiphertextBlob": _text(blob), "SourceKeyId": source, "KeyId": arn}
        raise Refusal("UnknownOperationException")

    def _key(self, name: str) -> str:
        arn = self.aliases.get(name, name)
        if arn not in self.keys:
            raise Refusal("NotFoundException")
        return arn

    def _encrypt(self, name: str, plain: bytes, context: dict[str, str]) -> tuple[str, bytes]:
        arn, nonce = self._key(name), secrets.token_bytes(12)
        sealed = AESGCM(self.keys[arn]).encrypt(nonce, plain, self._bound(context))
        return arn, len(arn).to_bytes(2, "big") + arn.encode() + nonce + sealed

    def _decrypt(self, text: str, name: str, context: dict[str, str]) -> tuple[str, bytes]:
        blob = base64.b64decode(text)
        end = 2 + int.from_bytes(blob[:2], "big")
        arn = blob[2:end].decode(errors="replace")
        if self._key(name) != arn:
            raise Refusal("IncorrectKeyException")
        try:
            plain = AESGCM(self.keys[arn]).decrypt(
                blob[end : end + 12], blob[end + 12 :], self._bound(context)
            )
        except InvalidTag:
            raise Refusal("InvalidCiphertextException") from None
        return arn, plain

    def _bound(self, context: dict[str, str]) -> bytes:
        assert all(isinstance(value, str) and value for value in context.values())
        self.contexts.append(context)
        return json.dumps(context, sort_keys=True).encode()


def _signed(request: Request, body: bytes) -> None:
    """Signature Version 4 over the request as it came."""
    told = request.headers.get("authorization", "")
    if not told.startswith("AWS4-HMAC-SHA256 "):
        raise Refusal("MissingAuthenticationTokenException")
    parts = dict(part.strip().split("=", 1) for part in told.removeprefix("AWS4-HMAC-SHA256 ").split(","))
    access, day, *scope = parts["Credential"].split("/")
    names = parts["SignedHeaders"].split(";")
    lines = [f"{name}:{' '.join(request.headers[name].split())}\n" for name in names]
    canonical = "\n".join(
        ["POST", "/", "", "".join(lines), parts["SignedHeaders"], hashlib.sha256(body).hexdigest()]
    )
    text = "\n".join(
        ["AWS4-HMAC-SHA256", request.headers["x-amz-date"], "/".join([day, *scope]), _digest(canonical)]
    )
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, *scope):
        key = hmac.digest(key, part.encode(), "sha256")
    right = hmac.digest(key, text.encode(), "sha256").hex()
    if (
        access != ACCESS_KEY
        or scope != [REGION, "kms", "aws4_request"]
        or {"host", "x-amz-target"} - set(names)
    ):
        raise Refusal("UnrecognizedClientException")
    if not hmac.compare_digest(right, parts["Signature"]):
        raise Refusal("InvalidSignatureException")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _json(told: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(told), status, media_type="application/x-amz-json-1.1")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
