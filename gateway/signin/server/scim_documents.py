"""What the SCIM endpoint says about itself (RFC 7643 §5 to §7), its lists and its errors (RFC 7644 §3.4.2, §3.12)."""

from collections.abc import Sequence
from typing import Any

import orjson

from gateway import limits

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_CORE = "urn:ietf:params:scim:schemas:core:2.0:"
_API = "urn:ietf:params:scim:api:messages:2.0:"


class ScimError(Exception):
    """A request that is refused: `kind` is a `scimType` of RFC 7644 §3.12."""

    def __init__(self, status: int, detail: str, kind: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind


def error(no: ScimError) -> bytes:
    """Its body."""
    told = {"schemas": [f"{_API}Error"], "status": str(no.status), "detail": no.detail}
    return orjson.dumps(told | ({"scimType": no.kind} if no.kind else {}))


def listed(found: Sequence[dict[str, Any]], total: int, start: int) -> dict[str, Any]:
    """A page of a list; `start` counts from 1."""
    return {
        "schemas": [f"{_API}ListResponse"],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(found),
        "Resources": list(found),
    }


def told(kind: str, id: str, base: str) -> dict[str, Any]:
    """A document about the endpoint. Raises `ScimError` 404."""
    known: dict[str, list[dict[str, Any]]] = {
        "ResourceTypes": [_user_type(base)],
        "Schemas": [_user_schema(base)],
        "Groups": [],
    }
    if kind == "ServiceProviderConfig" and not id:
        return _config(base)
    if kind in known and not id:
        return listed(known[kind], len(known[kind]), 1)
    found = next((one for one in known.get(kind, []) if one["id"] == id), None)
    if found is None:
        raise ScimError(404, "Nothing is here.")
    return found


def _config(base: str) -> dict[str, Any]:
    no = {"supported": False}
    return {
        "schemas": [f"{_CORE}ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {**no, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": limits.SCIM_PAGE},
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": [
            {"type": "oauthbearertoken", "name": "Bearer token", "description": "Of the gateway's settings."}
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }


def _user_type(base: str) -> dict[str, Any]:
    return {
        "schemas": [f"{_CORE}ResourceType"],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "schema": USER,
        "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/User"},
    }


def _user_schema(base: str) -> dict[str, Any]:
    kinds = {"userName": "string", "externalId": "string", "displayName": "string", "active": "boolean"}
    attributes = [
        {
            "name": name,
            "type": kind,
            "multiValued": False,
            "required": name in ("userName", "externalId"),
            "caseExact": name == "externalId",
            "mutability": "immutable" if name == "externalId" else "readWrite",
            "returned": "default",
            "uniqueness": "server" if name == "externalId" else "none",
        }
        for name, kind in kinds.items()
    ]
    return {
        "schemas": [f"{_CORE}Schema"],
        "id": USER,
        "name": "User",
        "attributes": attributes,
        "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{USER}"},
    }
