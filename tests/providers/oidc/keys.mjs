// Signing keys. The first of each kind signs; the others are published so that older tokens still verify.

import { generateKeyPair, randomBytes, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

// ES256 for access tokens to the gateway, RSA for ID tokens (RS256) and for Jira (PS256).
export async function newKeys() {
  const pairs = await Promise.all([
    generate('ec', { namedCurve: 'P-256' }),
    generate('rsa', { modulusLength: 2048 }),
  ]);
  return pairs.map(({ privateKey }) => ({ ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig' }));
}

export const newCookieKey = () => randomBytes(32).toString('base64url');

export const signingKeys = (keys) => ['EC', 'RSA'].map((kind) => keys.find((key) => key.kty === kind));

export function publicKeys(keys) {
  return { keys: keys.map(({ kty, kid, use, crv, x, y, n, e }) => ({ kty, kid, use, crv, x, y, n, e })) };
}
