// What the Node scenarios share: clients, promises around callbacks, normalised printing, the control port.
'use strict';

const net = require('net');
const zookeeper = require('node-zookeeper-client');

const STAT_FIELDS = ['czxid', 'mzxid', 'ctime', 'mtime', 'version', 'cversion', 'aversion', 'ephemeralOwner', 'dataLength', 'numChildren', 'pzxid'];

class Test {
  constructor(name, hostport) {
    this.root = `/node-${name}`;
    this.hostport = hostport;
    this.clients = [];
    this.names = { s: new Map(), z: new Map() };
  }

  // A connected client; the scenario's root exists afterwards.
  async client(hostport = this.hostport, options = {}) {
    const client = zookeeper.createClient(hostport, { sessionTimeout: 20000, spinDelay: 50, retries: 0, ...options });
    this.clients.push(client);
    await new Promise((resolve) => {
      client.once('connected', resolve);
      client.connect();
    });
    await this.call(client, 'create', this.root).catch((error) => {
      if (error.name !== 'NODE_EXISTS') throw error;
    });
    return client;
  }

  // A client that is to live through a restart of the server.
  gated() {
    return this.client(process.env.INTEROP_GATE || this.hostport, { sessionTimeout: 30000 });
  }

  close() {
    for (const client of this.clients) client.close();
  }

  // Calls a method that ends in a callback(error, ...results).
  call(client, method, ...args) {
    return new Promise((resolve, reject) => {
      client[method](...args, (error, ...results) => (error ? reject(error) : resolve(results)));
    });
  }

  // Calls and prints the results, or the error's name.
  async attempt(label, client, method, ...args) {
    try {
      const results = await this.call(client, method, ...args);
      this.say(`${label}: ${results.map((result) => this.show(result)).join(' ')}`);
      return results;
    } catch (error) {
      if (!(error instanceof zookeeper.Exception)) throw error;
      this.say(`${label}: ${error.name}(${error.code})`);
      return null;
    }
  }

  show(value) {
    if (Buffer.isBuffer(value)) {
      if (value.length <= 60) return JSON.stringify(value.toString('latin1'));
      return `<${value.length} bytes, sum ${value.reduce((sum, byte) => sum + byte, 0)}>`;
    }
    if (value && value.czxid) return this.stat(value);
    if (Array.isArray(value)) return `[${value.map((item) => this.show(item)).join(', ')}]`;
    if (value && value.permission !== undefined) return `${value.permission}:${value.id.scheme}:${value.id.id}`;
    return String(value);
  }

  stat(stat) {
    const missing = STAT_FIELDS.filter((field) => stat[field] === undefined);
    if (missing.length) this.broken(`a stat without ${missing}`);
    const hex = (field) => stat[field].toString('hex');
    for (const field of ['ctime', 'mtime']) {
      const at = Number(stat[field].readBigInt64BE());
      if (at !== 0 && Math.abs(Date.now() - at) > 300000) this.broken(`${field} is not near now`);
    }
    return (
      `v=${stat.version} cv=${stat.cversion} av=${stat.aversion} owner=${this.name('s', hex('ephemeralOwner'))} ` +
      `len=${stat.dataLength} kids=${stat.numChildren} ` +
      `c=${this.name('z', hex('czxid'))} m=${this.name('z', hex('mzxid'))} p=${this.name('z', hex('pzxid'))}`
    );
  }

  // s1, s2, … and z1, z2, … in order of appearance; 0 stays 0.
  name(kind, hex) {
    if (/^0*$/.test(hex)) return '0';
    const known = this.names[kind];
    if (!known.has(hex)) known.set(hex, `${kind}${known.size + 1}`);
    return known.get(hex);
  }

  say(line) {
    console.log(line);
  }

  broken(why) {
    console.log(`!! ${String(why).replace(/\n/g, ' | ')}`);
  }

  // A watcher, and a promise of its event.
  watcher() {
    let told;
    const event = new Promise((resolve) => (told = resolve));
    const watch = (happened) => told(happened);
    watch.event = event;
    return watch;
  }

  async event(label, watch) {
    const happened = await this.within(15000, watch.event);
    if (!happened) return this.broken(`${label}: no event`);
    this.say(`${label}: ${happened.getName()} ${happened.getPath().replace(this.root, '')}`);
  }

  // Behind a round trip nothing that was caused before it is outstanding.
  async silent(label, client, watch) {
    await this.call(client, 'exists', '/');
    const happened = await Promise.race([watch.event, Promise.resolve(null)]);
    this.say(`${label}: ${happened ? happened.getName() : 'nothing'}`);
  }

  within(milliseconds, promise) {
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, milliseconds, undefined)));
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }

  // Commands the server: kill, stop, start, restart, bounce.
  control(word) {
    const [host, port] = process.env.INTEROP_CONTROL.split(':');
    return new Promise((resolve, reject) => {
      const socket = net.connect(Number(port), host, () => socket.write(`${word}\n`));
      socket.once('data', (answer) => {
        socket.end();
        if (answer.toString().trim() === 'ok') resolve();
        else reject(new Error(`control ${word}: ${answer}`));
      });
      socket.once('error', reject);
    });
  }

  // Waits until a client is answered again.
  async back(client) {
    const deadline = Date.now() + 25000;
    while (Date.now() < deadline) {
      if (client.getState() === zookeeper.State.SYNC_CONNECTED) {
        const answered = await this.call(client, 'exists', '/').then(() => true, () => false);
        if (answered) return;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.broken('the client is not back');
  }
}

module.exports = { Test, zookeeper };
