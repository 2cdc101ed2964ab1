"""One static upstream for all: Jira's v3 and v2 faces, and an identity provider that exchanges tokens.

Run as a process: `python -m bench.stub PORT`. `GET /_count` tells how many Jira requests it answered.
"""

import sys
import time
from typing import Any
from urllib.parse import parse_qs

import jwt
import orjson
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec

from bench import payload

KEY = ec.generate_private_key(ec.SECP256R1())
Json = dict[str, Any]


class Stub:
    """A raw ASGI app: nothing in it but bytes that were made beforehand."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.count = 0

    async def __call__(self, scope: Json, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        answer = self.answer(scope["path"], body)
        headers = [
            (b"content-type", b"application/json;charset=UTF-8"),
            (b"content-length", str(len(answer)).encode()),
            (b"x-aaccountid", b"account-rita"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def answer(self, path: str, body: bytes) -> bytes:
        if path == "/_count":
            return str(self.count).encode()
        if path.startswith("/idp"):
            return orjson.dumps(self.provider(path, body))
        self.count += 1
        v3 = path.startswith("/rest/api/3/")
        if path.endswith("/comment"):
            return b'{"comments":[],"total":0,"maxResults":50,"startAt":0}'
        if path.endswith("/field"):
            return b'[{"id":"summary","name":"Summary","custom":false,"schema":{"type":"string"}}]'
        if "/issue/" in path:
            return payload.ISSUE if v3 else payload.ISSUE_V2
        if "/search" in path:
            return payload.PAGE if v3 else payload.PAGE_V2
        return payload.MYSELF if path.endswith("/myself") else b"[]"

    def provider(self, path: str, body: bytes) -> Json:
        issuer = f"{self.base}/idp"
        if path == "/idp/jwks":
            key = jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
            return {"keys": [key | {"kid": "bench", "alg": "ES256", "use": "sig"}]}
        if path == "/idp/mint":
            asked = orjson.loads(body)
            return {"access_token": self.token(asked["sub"], asked["aud"], "jira:read jira:write")}
        if path == "/idp/token":
            form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
            subject = jwt.decode(form["subject_token"], options={"verify_signature": False})
            token = self.token(subject["sub"], form["audience"], form["scope"], until=subject["exp"])
            kind = "urn:ietf:params:oauth:token-type:access_token"
            life = int(subject["exp"] - time.time())
            return {
                "access_token": token,
                "issued_token_type": kind,
                "token_type": "Bearer",
                "expires_in": life,
                "scope": form["scope"],
            }
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks",
            "token_endpoint": f"{issuer}/token",
            "authorization_endpoint": f"{issuer}/authorize",
            "response_types_supported": ["code"],
        }

    def token(self, subject: str, audience: str, scope: str, until: float | None = None) -> str:
        now = int(time.time())
        claims = {
            "iss": f"{self.base}/idp",
            "sub": subject,
            "aud": audience,
            "client_id": "bench",
            "scope": scope,
            "iat": now,
            "exp": int(until or now + 3600),
            "jti": f"{subject}-{scope}",
            "groups": ["staff", "developers"],
        }
        return jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "bench", "typ": "at+jwt"})


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(
        Stub(port),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
        timeout_keep_alive=600,
    )
