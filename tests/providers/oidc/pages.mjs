// The page where people sign in and agree: one form, sent back to its own address.

import { authenticate, wantsMfa } from './people.mjs';

const safe = (text) => String(text ?? '').replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

// Answers GET and POST of /interaction/<id>.
export async function interact(idp, request, response) {
  const details = await idp.provider.interactionDetails(request, response);
  if (request.method !== 'POST') return show(response, details);
  const form = Object.fromEntries(new URLSearchParams(await body(request)));
  if (form.answer !== 'allow') {
    return idp.provider.interactionFinished(request, response, { error: 'access_denied' }, { mergeWithLastSubmission: false });
  }
  const result = {};
  let name = details.session?.accountId;
  if (details.prompt.name === 'login') {
    const { found, acr, amr, problem } = authenticate(idp, form, wantsMfa(details.params));
    if (problem) return show(response, details, problem);
    name = found.name;
    result.login = { accountId: name, acr, amr, remember: true };
  }
  result.consent = { grantId: await agree(idp.provider, details, name) };
  return idp.provider.interactionFinished(request, response, result);
}

// The grant of this person to this client, with what it now asks for; kept when there is one already, since
// the refresh tokens of a session hang on it.
async function agree(provider, { grantId, params }, accountId) {
  const known = grantId && await provider.Grant.find(grantId);
  const grant = known?.accountId === accountId ? known : new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope ?? '');
  for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, params.scope ?? '');
  return grant.save();
}

function show(response, { params, prompt }, problem) {
  const fields = prompt.name !== 'login' ? '' : `
    <label>User <input name="user" autocomplete="username" value="${safe(params.login_hint)}"></label>
    <label>Password <input name="password" type="password" autocomplete="current-password"></label>
    ${wantsMfa(params) ? '<label>One-time code <input name="code" autocomplete="one-time-code"></label>' : ''}`;
  response.writeHead(200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  });
  response.end(`<!doctype html><html lang="en"><title>Sign in</title><h1>Sign in</h1>
    ${problem ? `<p role="alert">${safe(problem)}</p>` : ''}
    <p>${safe(params.client_id)} asks for: ${safe(params.scope)}</p>
    <form method="post">${fields}
      <button name="answer" value="allow">Sign in and allow</button>
      <button name="answer" value="refuse">Refuse</button>
    </form></html>`);
}

export async function body(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 65_536) throw new Error('body too long');
  }
  return text;
}
