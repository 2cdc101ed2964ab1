"""Where to click: what a wrong line tells an administrator to do, by provider.

A provider is named as in `profile` of the settings. What is not said of it is said in `GENERIC`. Vendors
rename their consoles; Keycloak's names were seen at version 26.7, the others' were read in their
documents (docs/identity names them).
"""

from collections.abc import Mapping

GENERIC: Mapping[str, str] = {
    "metadata": "Correct `issuer`: open it with `/.well-known/openid-configuration` after it in a browser; "
    "and let the gateway's machine reach that address.",
    "issuer": "Copy `issuer` from the provider's metadata into the settings, letter for letter.",
    "keys": "Publish a signing key of RSA (2048 bits or more), P-256 or Ed25519 with a `kid`, and sign with it.",
    "clock": "Let both machines keep time (chrony, systemd-timesyncd); tokens are good to within 30 seconds.",
    "kind": "Take the access token of a sign-in by an assistant, not its ID or refresh token; or correct `profile`.",
    "opaque": "Let the provider issue JWTs for the gateway's audience; or set `introspection`.",
    "audience": "Let the provider put exactly the gateway's audience into access tokens of assistants; or correct "
    "`audience`. Others that stand there rightly go into `beside`.",
    "claims": "Let the provider put the claim into access tokens; docs/identity says which are needed.",
    "scopes": "Let the assistant ask for the gateway's scopes, and allow them to its client.",
    "groups": "Add a claim with the person's groups to access tokens, or correct `groups`.",
    "roles": "Add a row for one of these groups to `roles` of this provider.",
    "overage": "Let the provider send only the groups that are assigned to the gateway, or set `directory`.",
    "client": "Correct `client_id` and `client_secret_file`, or how the client proves itself (`client_auth`).",
    "exchange": "Allow the gateway's client the grant "
    "`urn:ietf:params:oauth:grant-type:token-exchange` for Jira's audience.",
    "answer": "Correct `audience` and the scopes of `jira.credential`, or what the provider's exchange gives.",
    "endpoint": "Correct `token_endpoint`, and let the gateway's machine reach it.",
    "redirect": "Register this address as redirect URI of the login client, letter for letter; and see that "
    "`login.client_id` is that client.",
    "introspection": "Correct `introspection.endpoint`, its client and its secret.",
    "events": "Let the provider push events (RFC 8935) to this address, for this audience.",
    "directory": "Correct `directory`, and what its client may read.",
    "person": "Give the person access to Jira's audience at the provider, or take a token of somebody who has it.",
    "step_up": "Nothing here: the assistant is told to sign the person in again.",
}

_KEYCLOAK: Mapping[str, str] = {
    "metadata": "The issuer is https://HOST/realms/REALM (without /auth). Admin console: the realm's name is at the "
    "top left; its address: Realm settings > General > Endpoints.",
    "issuer": "Keycloak names itself by its `--hostname`: start it with the address that assistants use, and copy "
    "`issuer` from Realm settings > General > Endpoints.",
    "keys": "Realm settings > Keys > Providers: one of `rsa-generated`, `ecdsa-generated` or `eddsa-generated`; "
    "Realm settings > Tokens > Default Signature Algorithm.",
    "kind": "Take the access token of a sign-in by an assistant, not its ID token (`typ` in it is `ID`).",
    "opaque": "Clients > the assistant's > Advanced: switch lightweight access tokens off.",
    "audience": "Client scopes > Create (type Default), then Mappers > Configure a new mapper > Audience, with the "
    "gateway's client as Included Client Audience and *Add to access token*; then Clients > the assistant's > "
    "Client scopes > Add client scope > Default. If another audience stands there as well: take its mapper or "
    "roles away (`account` comes with the scope `roles`).",
    "claims": "Clients > the assistant's > Client scopes: `basic` (it carries `sub`) must be there as Default.",
    "groups": "Client scopes > Create `groups` (type Default), then Mappers > Configure a new mapper > Group "
    "Membership: Token Claim Name `groups`, *Add to access token*; then Clients > the assistant's > Client scopes > "
    "Add client scope > Default.",
    "client": "Clients > the gateway's > Credentials: copy the Client Secret into the file of `client_secret_file`; "
    "the client must be enabled.",
    "exchange": "Clients > the gateway's > Settings > Capability config: switch *Standard Token Exchange* on.",
    "answer": "Clients > the gateway's > Client scopes: what Jira gets is *Optional*, never *Default*; `audience` is "
    "the client id of Jira's client; `outlives` is the life of its tokens.",
    "redirect": "Clients > the login client > Settings > Valid redirect URIs: add this address. *Standard flow* is on.",
    "introspection": "Clients > any confidential client > Credentials; its endpoint is …/protocol/openid-connect/token"
    "/introspect.",
    "events": "Keycloak sends no such events by itself: set short lives (Realm settings > Tokens), or add a provider "
    "for Shared Signals.",
    "person": "Clients > Jira's > Roles: give its role to the person's group (Groups > the group > Role mapping).",
}

_OKTA: Mapping[str, str] = {
    "metadata": "Security > API > Authorization Servers: copy *Issuer URI* (https://ORG/oauth2/ID).",
    "issuer": "Security > API > Authorization Servers > the server > Settings: *Issuer* is either the custom domain or "
    "the Okta one; copy what the metadata says.",
    "opaque": "Tokens of the org authorization server are for Okta alone: use a custom one (Security > API).",
    "audience": "Security > API > Authorization Servers > the server > Settings > Audience: the value of `audience`.",
    "claims": "Let the assistant use this authorization server, by the authorization code flow: `uid` is only in "
    "tokens of people.",
    "scopes": "Security > API > Authorization Servers > the server > Scopes: add them; then Access Policies > Rules.",
    "groups": "Security > API > Authorization Servers > the server > Claims > Add Claim: `groups`, in *Access Token*, "
    "*Always*, value type *Groups*, with a filter that fits only the groups that count.",
    "client": "Applications > the gateway's service app > General > Client Credentials.",
    "exchange": "Applications > the gateway's service app > General > Grant type > Advanced: *Token Exchange*; then "
    "Security > API > Authorization Servers > Access Policies: a rule for this app with the grant *Token Exchange*.",
    "answer": "`issuer` of `jira.credential` is the server that gives the token (Security > API > Authorization "
    "Servers > Issuer URI), `audience` its Audience, `outlives` the life of its tokens.",
    "redirect": "Applications > the login app > General > Sign-in redirect URIs: add this address.",
    "events": "Okta's transmitter (SSF, early access) signs as the org, not as a custom authorization server, so its "
    "events are refused here: leave `events` off and set short lives (Access Policies > Rules).",
    "person": "Security > API > Authorization Servers > Access Policies: a rule whose people include this one; and "
    "assign them to the app (Applications > the app > Assignments).",
}

_ENTRA: Mapping[str, str] = {
    "metadata": "https://login.microsoftonline.com/TENANT/v2.0 with the GUID of Overview > Tenant ID.",
    "issuer": "App registrations > the gateway's > Manifest: `requestedAccessTokenVersion` 2 gives profile `entra` and "
    "…/TENANT/v2.0; null or 1 gives `entra_v1` and https://sts.windows.net/TENANT/.",
    "kind": "Take an access token for the gateway's API: one for Microsoft Graph cannot be verified by anybody else.",
    "opaque": "Ask for a scope of the gateway's API (api://…/SCOPE): otherwise the token is for Microsoft Graph.",
    "audience": "Version 2 tokens have the client id of the gateway's app as `aud`, version 1 its Application ID URI "
    "(App registrations > the gateway's > Expose an API).",
    "claims": "App registrations > the gateway's > Expose an API: a scope that the assistant asks for (`scp`).",
    "scopes": "App registrations > the gateway's > Expose an API > Add a scope; then the assistant's API permissions.",
    "groups": "App registrations > the gateway's > Token configuration > Add groups claim: *Groups assigned to the "
    "application*, as Group ID, for Access. Then Enterprise applications > the gateway's > Users and groups.",
    "overage": "Token configuration > groups claim: *Groups assigned to the application*; or set `directory` with "
    "`GroupMember.Read.All` (Application) and admin consent.",
    "client": "App registrations > the gateway's > Certificates & secrets: copy the *Value*, not the Secret ID; see "
    "when it ends.",
    "exchange": "App registrations > the gateway's > API permissions > Add > My APIs > the API before Jira; then Grant "
    "admin consent.",
    "answer": "`audience` is the API's client id where it takes version 2 tokens; name its further permissions in "
    "`harmless_scopes`.",
    "redirect": "App registrations > the login app > Authentication > Web > Redirect URIs: add this address.",
    "events": "Entra does not push such events to others: set short lives by Conditional Access (sign-in frequency), "
    "or Continuous Access Evaluation at the API.",
    "directory": "App registrations > the directory client > API permissions: `GroupMember.Read.All`, *Application*, "
    "with admin consent.",
    "person": "Enterprise applications > the API before Jira > Users and groups: assign the person or a group.",
    "consent": "Enterprise applications > the gateway's > Permissions > Grant admin consent.",
    "blocked": "Protection > Conditional Access > Sign-in logs: which policy refused the person or the device.",
}

_AUTH0: Mapping[str, str] = {
    "metadata": "Settings > Custom Domains or Applications > the app > Domain: `issuer` is https://DOMAIN/ with its "
    "last slash.",
    "issuer": "Auth0's issuer ends in a slash: https://DOMAIN/; with a custom domain it is that one.",
    "keys": "Applications > APIs > the gateway's API > Token Settings: RS256, not HS256.",
    "opaque": "Let the assistant ask for `audience` (or switch on Settings > Advanced > Resource Parameter "
    "Compatibility Profile): without one Auth0 gives an opaque or encrypted token.",
    "audience": "Applications > APIs > the gateway's API: its *Identifier* is `audience`.",
    "claims": "Applications > APIs > the gateway's API > Settings > Access Token Profile.",
    "scopes": "Applications > APIs > the gateway's API > Permissions: add them.",
    "groups": "Actions > Library > a Post-Login action that sets a namespaced claim "
    "(`api.accessToken.setCustomClaim`), in the Login flow; the same name in `groups`.",
    "client": "Applications > the gateway's > Credentials.",
    "exchange": "The gateway's client must be a *custom API client* (`app_type` `resource_server`, "
    "`resource_server_identifier` the gateway's API) with on-behalf-of token exchange switched on and a client grant "
    "for Jira's API (Applications > APIs > Jira's API > Application Access).",
    "redirect": "Applications > the login app > Settings > Allowed Callback URLs: add this address.",
    "person": "Applications > APIs > Jira's API > Permissions, by a role of the person (RBAC).",
}

_PING: Mapping[str, str] = {
    "metadata": "PingOne: https://auth.pingone.REGION/ENVIRONMENT/as. PingFederate: System > Protocol Settings > "
    "Federation Info > Base URL.",
    "opaque": "PingFederate: Applications > OAuth > Access Token Management: a manager of JSON web tokens, not "
    "reference tokens; or set `introspection`.",
    "audience": "PingOne: Applications > Resources > the gateway's > Audience. PingFederate: Access Token Management > "
    "the manager > Audience Claim Value.",
    "claims": "PingFederate: Access Token Management > the manager > Client ID Claim Name and Scope Claim Name.",
    "groups": "PingOne: Applications > Resources > the gateway's > Attributes: `groups` = Group Names. PingFederate: "
    "Applications > OAuth > Access Token Mapping.",
    "exchange": "PingOne: Applications > the gateway's > Configuration > Grant Type: Token Exchange. PingFederate: "
    "Applications > Token Exchange > Processor Policies, chosen at the client.",
    "redirect": "PingOne: Applications > the login app > Configuration > Redirect URIs. PingFederate: Applications > "
    "OAuth > Clients > Redirect URIs.",
}

_GOOGLE: Mapping[str, str] = {
    "metadata": "`issuer` is https://accounts.google.com.",
    "redirect": "Google Cloud console > Google Auth Platform > Clients > the client > Authorized redirect URIs.",
    "client": "Google Cloud console > Google Auth Platform > Clients > the client > Client secrets.",
    "directory": "Admin console > Security > Access and data control > API controls > Domain-wide delegation: the "
    "service account's client id with the scope admin.directory.group.readonly; `subject` is an administrator.",
    "events": "Google's Cross-Account Protection sends security events under its own terms; short sessions do without.",
}

CLICKS: Mapping[str, Mapping[str, str]] = {
    "keycloak": _KEYCLOAK,
    "okta": _OKTA,
    "okta_org": _OKTA,
    "entra": _ENTRA,
    "entra_v1": _ENTRA,
    "auth0": _AUTH0,
    "ping": _PING,
    "google": _GOOGLE,
}

PAGES: Mapping[str, str] = {
    "keycloak": "keycloak",
    "okta": "okta",
    "okta_org": "okta",
    "entra": "entra",
    "entra_v1": "entra",
    "auth0": "auth0",
    "ping": "ping",
    "google": "google",
}


def click(vendor: str, topic: str) -> str:
    """What to do about `topic` at a provider of that profile."""
    return CLICKS.get(vendor, {}).get(topic) or GENERIC[topic]


def page(vendor: str) -> str:
    """The document that takes an administrator through it."""
    return f"docs/identity/{PAGES.get(vendor, 'generic')}.md"
