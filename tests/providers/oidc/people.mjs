// People: who they are, what tokens say of them, and whether a password and a one-time code are theirs.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export const PASSWORD = 'urn:corp:password';
export const MFA = 'urn:corp:mfa';

// A person of the parties file by name, unless disabled; undefined otherwise.
export function person(idp, name) {
  return idp.store.disabled.has(name) ? undefined : idp.people.find((one) => one.name === name);
}

// What oidc-provider calls an account (there is no `provider.Account` in 9.x); `source` is the code or the
// refresh token that an ID token is made from.
export function account(idp, name, source) {
  const found = person(idp, name);
  return found && {
    accountId: found.name,
    claims: async () => ({ sub: found.name, sid: source?.sessionUid, ...claims(found) }),
  };
}

export const claims = (found) => ({
  name: found.display_name,
  preferred_username: found.name,
  email: found.email,
  email_verified: true,
  groups: found.groups,
});

// A second factor is wanted when the client names it, in `acr_values` or in `claims` (OpenID Connect §5.5.1.1).
export const wantsMfa = (params) => [params.acr_values, params.claims].join(' ').includes(MFA);

// { found, acr, amr } of a sign-in, or { problem }, a sentence for the page.
export function authenticate(idp, { user, password, code }, mfa) {
  const found = idp.people.find((one) => one.name === user);
  if (!found || !same(found.password, password)) {
    return { problem: 'The user name or the password is not right. Check both and try again.' };
  }
  if (!person(idp, user)) return { problem: 'This account is disabled. Ask your administrator.' };
  if (!mfa) return { found, acr: PASSWORD, amr: ['pwd'] };
  if (!found.otp_secret) {
    return { problem: 'A second factor is needed and this account has none. Ask your administrator.' };
  }
  if (![-30, 0, 30].some((step) => same(totp(found.otp_secret, Date.now() / 1000 + step), code))) {
    return { problem: 'The one-time code is missing or not right. Type the code that your authenticator shows now.' };
  }
  return { found, acr: MFA, amr: ['pwd', 'otp'] };
}

function same(expected, given) {
  const digest = (text) => createHash('sha256').update(String(text ?? '')).digest();
  return timingSafeEqual(digest(expected), digest(given));
}

// RFC 6238 with SHA-1, six digits and steps of 30 seconds.
function totp(secret, at) {
  const bits = [...secret].map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30)));
  const digest = createHmac('sha1', key).update(counter).digest();
  const number = digest.readUInt32BE(digest[19] & 0xf) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}
