// Everything that the provider remembers, in memory and in one file, so that a restart changes nothing.
// oidc-provider asks for an adapter per model; all of them share the one map here.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { newCookieKey, newKeys } from './keys.mjs';

const now = () => Date.now() / 1000;

export class Store {
  // `file` holds keys from the first start on, and the rest from the last stop on.
  static async open(file) {
    try {
      return new Store(file, JSON.parse(readFileSync(file, 'utf8')));
    } catch (missing) {
      if (missing.code !== 'ENOENT') throw missing;
    }
    const store = new Store(file, {
      keys: await newKeys(), cookieKey: newCookieKey(), disabled: [], ended: [], rows: [],
    });
    store.save();
    return store;
  }

  constructor(file, saved) {
    this.file = file;
    this.keys = saved.keys; // private JWKs, the signing ones first
    this.cookieKey = saved.cookieKey;
    this.disabled = new Set(saved.disabled); // names of people
    this.ended = new Set(saved.ended); // session ids: tokens that name one are exchanged no more
    this.rows = new Map(saved.rows); // "Model:id" -> { payload, until (Unix seconds, or null) }
    this.adapter = (model) => new Adapter(this, model);
  }

  save() {
    const { keys, cookieKey, disabled, ended, rows } = this;
    const text = JSON.stringify({ keys, cookieKey, disabled: [...disabled], ended: [...ended], rows: [...rows] });
    writeFileSync(`${this.file}.new`, text, { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
  }

  get(key) {
    const row = this.rows.get(key);
    if (row && row.until !== null && row.until <= now()) this.rows.delete(key);
    return this.rows.get(key)?.payload;
  }

  // [id, payload] of each row of `model` that `fits`.
  * find(model, fits) {
    for (const key of [...this.rows.keys()]) {
      const payload = key.startsWith(`${model}:`) && this.get(key);
      if (payload && fits(payload)) yield [key.slice(model.length + 1), payload];
    }
  }
}

class Adapter {
  constructor(store, model) {
    this.store = store;
    this.model = model;
  }

  async upsert(id, payload, life) {
    this.store.rows.set(`${this.model}:${id}`, { payload, until: life === undefined ? null : now() + life });
  }

  async find(id) { return this.store.get(`${this.model}:${id}`); }

  async findByUid(uid) { return this.first((payload) => payload.uid === uid); }

  async findByUserCode(code) { return this.first((payload) => payload.userCode === code); }

  async consume(id) { this.store.get(`${this.model}:${id}`).consumed = Math.floor(now()); }

  async destroy(id) { this.store.rows.delete(`${this.model}:${id}`); }

  async revokeByGrantId(grantId) {
    for (const [id] of this.store.find(this.model, (payload) => payload.grantId === grantId)) await this.destroy(id);
  }

  first(fits) {
    for (const [, payload] of this.store.find(this.model, fits)) return payload;
    return undefined;
  }
}
