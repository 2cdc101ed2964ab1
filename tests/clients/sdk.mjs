// The OAuth client of the TypeScript SDK, told what to do by JSON lines: node sdk.mjs PACKAGE URL [DOCUMENT]
//
//   {"do": "call", "tool": "…", "arguments": {}}     -> {"answer": result}, perhaps {"open": address} before it
//   {"landed": address}                                the browser's answer to {"open": …}
//   {"do": "spoil"}                                    the access token is good no more; the refresh token is
//   {"do": "hold", "tokens": {…}}                      these instead of its own
import { createInterface } from "node:readline/promises";

const [name, url, document] = process.argv.slice(2);
const { Client } = await import(name === "@modelcontextprotocol/sdk" ? `${name}/client/index.js` : name);
const { StreamableHTTPClientTransport } = await import(
  name === "@modelcontextprotocol/sdk" ? `${name}/client/streamableHttp.js` : name
);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const redirect = "http://127.0.0.1:33418/callback";
let landed, discovered, kept, verifier, tokens;

const person = {
  clientMetadataUrl: document,
  get redirectUrl() { return redirect; },
  get clientMetadata() {
    return {
      client_name: "TypeScript SDK", redirect_uris: [redirect], token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"], response_types: ["code"],
    };
  },
  clientInformation: () => kept,
  saveClientInformation: (information) => { kept = information; },
  tokens: () => tokens,
  saveTokens: (granted) => { tokens = granted; },
  saveCodeVerifier: (made) => { verifier = made; },
  codeVerifier: () => verifier,
  invalidateCredentials: (what) => {
    if (what === "all" || what === "tokens") tokens = undefined;
    if (what === "all" || what === "client") kept = undefined;
  },
  saveDiscoveryState: (found) => { discovered = found; },
  discoveryState: () => discovered,
  redirectToAuthorization: async (to) => {
    say({ open: String(to) });
    landed = new URL(JSON.parse((await lines.next()).value).landed);
  },
};

async function connected() {
  const client = new Client({ name: "sdk", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: person });
  await client.connect(transport);
  return { client, transport };
}

async function finish(transport) {
  const query = landed.searchParams;
  await (name === "@modelcontextprotocol/sdk" ? transport.finishAuth(query.get("code")) : transport.finishAuth(query));
  landed = undefined;
}

let session;
async function call(tool, given) {
  for (let tries = 0; ; tries++) {
    try {
      session ??= await connected();
      return await session.client.callTool({ name: tool, arguments: given });
    } catch (refused) {
      if (landed === undefined || tries > 2) throw refused;
      await finish(session?.transport ?? new StreamableHTTPClientTransport(new URL(url), { authProvider: person }));
      session = undefined;
    }
  }
}

for await (const line of lines) {
  const order = JSON.parse(line);
  try {
    if (order.do === "spoil") tokens = { ...tokens, access_token: `${tokens.access_token.slice(0, -6)}AAAAAA` };
    if (order.do === "hold") tokens = order.tokens;
    say({ answer: order.do === "call" ? await call(order.tool, order.arguments) : {}, tokens, client: kept?.client_id });
  } catch (failed) {
    say({ failed: String(failed?.stack ?? failed) });
  }
}
