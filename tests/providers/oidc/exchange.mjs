// Token exchange (RFC 8693): a person's access token for the gateway becomes one for Jira.

import { errors } from 'oidc-provider';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { ID_JAG, idJag } from './idjag.mjs';
import { publicKeys } from './keys.mjs';
import { person } from './people.mjs';

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const PARAMETERS = [
  'subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope',
  'actor_token', 'actor_token_type',
];

export function registerExchange(idp) {
  const repeatable = ['audience', 'resource'];
  idp.provider.registerGrantType(EXCHANGE, (ctx) => exchange(idp, ctx), PARAMETERS, repeatable);
}

async function exchange(idp, ctx) {
  const { params, client } = ctx.oidc;
  if (params.actor_token || params.actor_token_type) {
    throw new errors.InvalidRequest('the actor is the client that asks; send no actor_token');
  }
  if (params.requested_token_type === ID_JAG) {
    ctx.body = await idJag(idp, ctx, target(idp.idJagTargets(client.clientId), params.audience));
    return;
  }
  if (![undefined, ACCESS_TOKEN].includes(params.requested_token_type) || params.subject_token_type !== ACCESS_TOKEN) {
    throw new errors.InvalidRequest('only an access token is exchanged, and only for an access token');
  }
  const policy = idp.exchangeTargets(client.clientId);
  const audience = target(policy, [params.audience ?? [], params.resource ?? []].flat());
  const subject = await verified(idp, params.subject_token);
  const scopes = granted(policy[audience], subject.scope, params.scope);
  ctx.body = await issue(idp, ctx, { audience, subject, scopes });
}

// The one audience that is asked for, if the policy knows it.
function target(policy, asked) {
  const named = [...new Set([asked ?? []].flat())];
  if (named.length !== 1 || !Object.hasOwn(policy, named[0])) {
    throw new errors.CustomOIDCProviderError('invalid_target', 'ask for exactly one audience that this client may reach');
  }
  return named[0];
}

// The claims of a good subject token. Whatever is wrong with a bad one, the answer is the same (RFC 8693 §2.2.2).
async function verified(idp, token) {
  const claims = await jwtClaims(idp, token) ?? await opaqueClaims(idp, token);
  if (!claims || claims.aud !== idp.gateway || claims.cnf || !person(idp, claims.sub) || idp.store.ended.has(claims.sid)) {
    throw new errors.InvalidRequest('subject_token is invalid');
  }
  return claims;
}

async function jwtClaims(idp, token) {
  try {
    const keys = createLocalJWKSet(publicKeys(idp.store.keys));
    const { payload } = await jwtVerify(token, keys, {
      issuer: idp.issuer, typ: 'at+jwt', algorithms: ['ES256'],
    });
    return payload;
  } catch {
    return undefined;
  }
}

async function opaqueClaims(idp, token) {
  const found = await idp.provider.AccessToken.find(token);
  const { accountId, clientId, aud, scope, exp, extra } = found ?? {};
  return found?.isValid && { ...extra, sub: accountId, client_id: clientId, aud, scope, exp, cnf: found.isSenderConstrained() };
}

// The scopes asked for, or all that the subject token is worth. More is refused, never cut silently.
function granted(worth, held, asked) {
  const most = new Set(String(held ?? '').split(' ').flatMap((scope) => worth[scope] ?? []));
  const wanted = asked === undefined ? most : new Set(asked.split(' ').filter(Boolean));
  if (wanted.size === 0 || !wanted.isSubsetOf(most)) {
    throw new errors.InvalidScope('the subject token is not worth that much', asked);
  }
  return [...wanted].sort();
}

async function issue(idp, ctx, { audience, subject, scopes }) {
  const { provider, client } = ctx.oidc;
  ctx.oidc.entity('ExchangedFor', { act: { sub: client.clientId, act: assistant(subject) } });
  const token = new provider.AccessToken({
    accountId: subject.sub, client, gty: 'token_exchange', scope: scopes.join(' '),
  });
  token.resourceServer = new provider.ResourceServer(audience, idp.resource(audience));
  const now = Math.floor(Date.now() / 1000);
  token.exp = Math.min(now + token.resourceServer.accessTokenTTL, subject.exp);
  ctx.oidc.entity('AccessToken', token);
  return {
    access_token: await token.save(),
    issued_token_type: ACCESS_TOKEN,
    token_type: 'Bearer',
    expires_in: token.exp - now,
    scope: token.scope,
  };
}

// RFC 8693 §4.1: who acted before, inside who acts now.
const assistant = ({ client_id: sub, act }) => (act ? { sub, act } : { sub });
