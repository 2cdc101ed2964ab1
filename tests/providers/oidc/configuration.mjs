// Clients, resources and policies: what an administrator of a real provider would have set up.

import { errors, interactionPolicy } from 'oidc-provider';
import { EXCHANGE } from './exchange.mjs';
import { MFA, PASSWORD, account, claims, person, wantsMfa } from './people.mjs';

const CODE = ['authorization_code', 'refresh_token'];
const DAY = 86_400;

// What each gateway scope is worth at Jira, and at the other service.
const JIRA_WORTH = { 'jira:read': ['read:jira-work'], 'jira:write': ['read:jira-work', 'write:jira-work'] };
const REPORTS_WORTH = { 'jira:read': ['reports:read'] };

// By resource indicator (RFC 8707), each with its own algorithm, life (seconds) and form. Scopes that are not
// listed here are no scopes of the resource, whatever a client asks for.
export function resources({ gateway, opaque, jira, reports, lives }) {
  const jwt = (alg) => ({ accessTokenFormat: 'jwt', jwt: { sign: { alg } } });
  return {
    [gateway]: { audience: gateway, scope: 'jira:read jira:write', accessTokenTTL: lives.access, ...jwt('ES256') },
    [opaque]: { audience: gateway, scope: 'jira:read jira:write', accessTokenTTL: lives.access, accessTokenFormat: 'opaque' },
    [reports]: { audience: reports, scope: 'reports:read', accessTokenTTL: lives.access, ...jwt('ES256') },
    [jira]: { audience: jira, scope: 'read:jira-work write:jira-work', accessTokenTTL: lives.jira, ...jwt('PS256') },
  };
}

// By client: the audiences that it may exchange for, with what the subject's scopes are worth there.
export const exchangeTargets = ({ clients, jira, reports }) => ({
  [clients.gateway]: { [jira]: JIRA_WORTH },
  [clients.gatewayKey]: { [jira]: JIRA_WORTH },
  [clients.service]: { [reports]: REPORTS_WORTH },
});

function registered({ clients, secrets, callbacks, signInCallback, redirects, clientKeys }) {
  const agent = { application_type: 'native', token_endpoint_auth_method: 'none', grant_types: CODE, redirect_uris: redirects };
  const gateway = { application_type: 'native', grant_types: [...CODE, EXCHANGE], redirect_uris: callbacks };
  return [
    { ...agent, client_id: clients.assistant, client_name: 'Demo assistant' },
    { ...agent, client_id: clients.otherAssistant, client_name: 'Another assistant' },
    { ...gateway, client_id: clients.gateway, client_secret: secrets.gateway },
    ...(clientKeys ? [{
      ...gateway, ...clientKeys, client_id: clients.gatewayKey,
      token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256',
    }] : []),
    {
      application_type: 'native', client_id: clients.signIn, client_secret: secrets.signIn,
      grant_types: ['authorization_code'], redirect_uris: [signInCallback],
    },
    {
      client_id: clients.service, client_secret: secrets.service, redirect_uris: [], response_types: [],
      grant_types: ['client_credentials', EXCHANGE],
    },
  ];
}

export function configuration(idp) {
  return {
    adapter: idp.store.adapter,
    jwks: { keys: idp.store.keys },
    cookies: { keys: [idp.store.cookieKey] },
    clients: registered(idp),
    scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    claims: {
      openid: ['sub', 'sid', 'acr', 'amr', 'auth_time'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
      acr: null, auth_time: null, iss: null,
    },
    acrValues: [PASSWORD, MFA],
    pkce: { required: () => true },
    findAccount: (ctx, name, source) => account(idp, name, source),
    extraTokenClaims: (ctx, token) => extraClaims(idp, ctx, token),
    interactions: { policy: policy(), url: (ctx, { uid }) => `/interaction/${uid}` },
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true, // strict: a used one ends its whole family at once
    expiresWithSession: () => true, // signing out ends the refresh tokens too
    ttl: {
      AccessToken: (ctx, token) => token.resourceServer?.accessTokenTTL ?? idp.lives.access,
      ClientCredentials: (ctx, token) => token.resourceServer?.accessTokenTTL ?? idp.lives.access,
      AuthorizationCode: 60, IdToken: 3600, Interaction: 600,
      RefreshToken: idp.lives.refresh, Grant: 30 * DAY, Session: 30 * DAY,
    },
    features: features(idp),
    discovery: { identity_chaining_requested_token_types_supported: ['urn:ietf:params:oauth:token-type:id-jag'] },
    renderError: (ctx, out) => { ctx.type = 'text'; ctx.body = `${out.error}: ${out.error_description}\n`; },
    clientBasedCORS: () => false,
    // The guard against addresses of this machine is lifted for the one that we registered ourselves.
    fetch: (url, { dispatcher, ...options }) => (
      fetch(url, String(url) === idp.clientKeys?.jwks_uri ? options : { ...options, dispatcher })
    ),
  };
}

function features(idp) {
  const confidential = (ctx, client) => client.clientAuthMethod !== 'none';
  return {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: confidential },
    registration: { enabled: true },
    revocation: { enabled: true, allowedPolicy: (ctx, client, token) => token.clientId === client.clientId },
    resourceIndicators: {
      enabled: true,
      // Who only signs people in gets a token for the userinfo endpoint.
      defaultResource: (ctx, client, several) => (
        several ?? (client.clientId === idp.clients.signIn ? undefined : idp.gateway)
      ),
      getResourceServerInfo: (ctx, indicator, client) => {
        const known = idp.resource(indicator);
        // A token for Jira comes from an exchange; nobody signs in for one.
        if (!known || indicator === idp.jira) throw new errors.InvalidTarget();
        return known;
      },
      useGrantedResource: () => true, // else `openid` makes it a token for the userinfo endpoint
    },
  };
}

// Asking for a second factor sends a person who has a session without one to the page again.
function policy() {
  const prompts = interactionPolicy.base();
  prompts.get('login').checks.add(new interactionPolicy.Check(
    'acr_values', 'a second factor is needed', 'login_required',
    ({ oidc }) => wantsMfa(oidc.params) && oidc.session.acr !== MFA,
  ));
  return prompts;
}

// RFC 9068 §2.2: who signed in and how; in an exchanged token only who acts (RFC 8693 §4.1).
function extraClaims(idp, { oidc: { entities } }, token) {
  if (entities.ExchangedFor) return entities.ExchangedFor;
  const source = entities.AuthorizationCode ?? entities.RefreshToken;
  const found = token.accountId && person(idp, token.accountId);
  if (!found || !source) return undefined;
  const { email, email_verified, groups } = claims(found);
  const { acr, amr, authTime: auth_time, sessionUid: sid } = source;
  return { acr, amr, auth_time, sid, email, email_verified, groups };
}
