// Identity assertion grants (draft-ietf-oauth-identity-assertion-authz-grant), step 1: whoever signed a person
// in gets an assertion that another authorization server takes for that person.

import { randomUUID } from 'node:crypto';
import { errors } from 'oidc-provider';
import { SignJWT, createLocalJWKSet, importJWK, jwtVerify } from 'jose';
import { publicKeys, signingKeys } from './keys.mjs';
import { person } from './people.mjs';

export const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';
const REFRESH_TOKEN = 'urn:ietf:params:oauth:token-type:refresh_token';
const LIFE = 300; // seconds

// The token response for the authorization server `audience`, which the policy has found to be allowed.
export async function idJag(idp, ctx, audience) {
  const { params, client } = ctx.oidc;
  const { client_id: clientId, scopes } = idp.idJagTargets(client.clientId)[audience];
  const subject = await proven(idp, ctx);
  const wanted = params.scope === undefined ? scopes : params.scope.split(' ').filter(Boolean);
  if (wanted.length === 0 || wanted.some((scope) => !scopes.includes(scope))) {
    throw new errors.InvalidScope('more than this client may ask for there', params.scope);
  }
  const { name, email, groups } = person(idp, subject.sub);
  const claims = {
    client_id: clientId, scope: wanted.join(' '), resource: params.resource, email, email_verified: true, groups,
    auth_time: subject.auth_time, acr: subject.acr, amr: subject.amr,
  };
  const [key] = signingKeys(idp.store.keys);
  const assertion = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: 'oauth-id-jag+jwt', kid: key.kid })
    .setIssuer(idp.issuer).setSubject(name).setAudience(audience).setJti(randomUUID())
    .setIssuedAt().setExpirationTime(`${LIFE}s`)
    .sign(await importJWK(key, 'ES256'));
  return {
    access_token: assertion, issued_token_type: ID_JAG, token_type: 'N_A', expires_in: LIFE, scope: claims.scope,
  };
}

// Who is meant, by an ID token or a refresh token that was issued to the very client that asks.
async function proven(idp, { oidc: { params, client } }) {
  const read = { [ID_TOKEN]: byIdToken, [REFRESH_TOKEN]: byRefreshToken }[params.subject_token_type];
  if (!read) throw new errors.InvalidRequest('an ID-JAG is given for an id_token or a refresh_token only');
  const subject = await read(idp, client.clientId, params.subject_token);
  if (!subject || !person(idp, subject.sub) || idp.store.ended.has(subject.sid)) {
    throw new errors.InvalidRequest('subject_token is invalid');
  }
  return subject;
}

async function byIdToken(idp, clientId, token) {
  try {
    const keys = createLocalJWKSet(publicKeys(idp.store.keys));
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer: idp.issuer, audience: clientId, algorithms: ['RS256'], requiredClaims: ['exp', 'sub'],
    });
    return protectedHeader.typ === undefined ? payload : undefined; // an ID token here has no typ
  } catch {
    return undefined;
  }
}

async function byRefreshToken(idp, clientId, token) {
  const found = await idp.provider.RefreshToken.find(token);
  if (!found?.isValid || found.clientId !== clientId) return undefined;
  return { sub: found.accountId, auth_time: found.authTime, acr: found.acr, amr: found.amr, sid: found.sessionUid };
}
