// An identity provider on loopback, made of oidc-provider.
//
//   node idp.mjs PARTIES.json STATE.json [PORT]
//
// PARTIES.json says who it has to do with (see `parties` below); STATE.json is its memory, made when missing.
// Prints one line of JSON when it serves, and ends on SIGTERM, SIGINT or when its standard input is closed.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import Provider from 'oidc-provider';
import { administer } from './admin.mjs';
import { configuration, exchangeTargets, resources } from './configuration.mjs';
import { registerExchange } from './exchange.mjs';
import { interact } from './pages.mjs';
import { Store } from './store.mjs';

console.info = console.warn = console.error; // standard output is for the one line

const [partiesFile, stateFile, port = '0'] = process.argv.slice(2);

class Idp {
  constructor(issuer, parties, store) {
    // gateway, opaque, jira, reports: resource indicators. people: [{name, display_name, email, groups, password,
    // otp_secret}]. clients, secrets: ids and secrets by role. redirects, callbacks: redirect URIs of assistants
    // and of the gateway. clientKeys: {jwks} or {jwks_uri} of the client that proves itself by key. lives: seconds.
    // idJag: {audience: {client_id, scopes}}.
    Object.assign(this, parties, { issuer, store, counts: {} });
    this.rebuild();
  }

  // A new provider over the same memory: its keys and lives are read at construction only.
  rebuild() {
    this.provider = new Provider(this.issuer, configuration(this));
    registerExchange(this);
    this.provider.on('grant.success', ({ oidc: { params } }) => this.count(params.grant_type));
    this.provider.on('server_error', (ctx, error) => console.error(error));
    this.handle = this.provider.callback();
  }

  count(name) { this.counts[name] = (this.counts[name] ?? 0) + 1; }

  resource(indicator) { return Object.hasOwn(resources(this), indicator) ? resources(this)[indicator] : undefined; }

  exchangeTargets(clientId) { return exchangeTargets(this)[clientId] ?? {}; }

  idJagTargets(clientId) { return [this.clients.gateway, this.clients.gatewayKey].includes(clientId) ? this.idJag : {}; }

  async serve(request, response) {
    if (!request.url.startsWith('/interaction/')) return this.handle(request, response);
    try {
      await interact(this, request, response);
    } catch (wrong) {
      response.writeHead(400, { 'Content-Type': 'text/plain' });
      response.end('This page is no longer good. Go back and sign in again.\n');
    }
  }
}

async function listening(wanted, handle) {
  const server = createServer(handle).listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

let idp; // the issuer's name holds the port, so the port comes first
const main = await listening(Number(port), (request, response) => (
  idp ? idp.serve(request, response) : response.writeHead(503).end()
));
const store = await Store.open(stateFile);
idp = new Idp(main.url, JSON.parse(readFileSync(partiesFile, 'utf8')), store);
const admin = await listening(0, (request, response) => administer(idp, request, response));

function stop() {
  store.save();
  process.exit(0);
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.stdin.on('end', stop).resume();
process.stdout.write(`${JSON.stringify({ issuer: idp.issuer, admin: admin.url, node: process.version })}\n`);
