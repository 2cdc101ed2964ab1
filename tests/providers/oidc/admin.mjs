// What an administrator does, as POST requests with JSON on another port of loopback.

import { newKeys, signingKeys } from './keys.mjs';
import { body } from './pages.mjs';

const ACTIONS = {
  '/id-jag': (idp, targets) => Object.assign(idp.idJag, targets),
  '/disable': (idp, { user }) => idp.store.disabled.add(known(idp, user)),
  '/enable': (idp, { user }) => idp.store.disabled.delete(known(idp, user)),
  '/sign-out': (idp, { user }) => signOut(idp, known(idp, user)),
  '/rotate-keys': async (idp) => changeKeys(idp, [...await newKeys(), ...idp.store.keys]),
  '/withdraw-old-keys': (idp) => changeKeys(idp, signingKeys(idp.store.keys)),
  '/forget-client-keys': (idp) => idp.rebuild(), // a fetched key set is otherwise kept for a minute at least
  '/lives': (idp, lives) => { Object.assign(idp.lives, lives); idp.rebuild(); },
};

export async function administer(idp, request, response) {
  const action = request.method === 'POST' && ACTIONS[request.url];
  try {
    if (!action) throw new Error(`POST to one of ${Object.keys(ACTIONS).join(' ')}`);
    await action(idp, JSON.parse(await body(request) || '{}'));
    idp.store.save();
    answer(response, 200, state(idp));
  } catch (wrong) {
    answer(response, 400, { error: wrong.message });
  }
}

function state({ store, lives, counts }) {
  return {
    disabled: [...store.disabled], keys: store.keys.map(({ kid }) => kid), signing: signingKeys(store.keys).map(({ kid }) => kid),
    lives, granted: counts,
  };
}

function known(idp, user) {
  if (!idp.people.some(({ name }) => name === user)) throw new Error(`nobody is called ${user}`);
  return user;
}

// Ends the sessions of a person; what hangs on them (codes, refresh and opaque tokens) ends with them.
async function signOut(idp, name) {
  for (const [id, session] of idp.store.find('Session', ({ accountId }) => accountId === name)) {
    idp.store.ended.add(session.uid);
    await idp.provider.Session.adapter.destroy(id);
  }
}

function changeKeys(idp, keys) {
  idp.store.keys = keys;
  idp.rebuild();
}

function answer(response, status, content) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(content));
}
