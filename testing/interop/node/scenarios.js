// Every scenario: a function of its Test, keyed by name.
'use strict';

const { zookeeper } = require('./support');

const { CreateMode, ACL, Id, Permission } = zookeeper;

exports['create-modes'] = async (t) => {
  const client = await t.client();
  t.name('s', client.getSessionId().toString('hex'));
  for (const mode of ['PERSISTENT', 'EPHEMERAL', 'PERSISTENT_SEQUENTIAL', 'EPHEMERAL_SEQUENTIAL']) {
    const created = await t.attempt(mode, client, 'create', `${t.root}/${mode}-`, Buffer.from(mode), CreateMode[mode]);
    await t.attempt('get', client, 'getData', created[0]);
  }
  await t.attempt('root', client, 'exists', t.root);
};

exports.errors = async (t) => {
  const client = await t.client();
  await t.call(client, 'create', `${t.root}/there`);
  await t.call(client, 'create', `${t.root}/there/child`);
  await t.call(client, 'create', `${t.root}/eph`, CreateMode.EPHEMERAL);
  for (const path of ['/there', '/no/parent', '/eph/child']) await t.attempt(`create ${path}`, client, 'create', t.root + path);
  await t.attempt('exists', client, 'exists', `${t.root}/none`);
  await t.attempt('get', client, 'getData', `${t.root}/none`);
  await t.attempt('children', client, 'getChildren', `${t.root}/none`);
  await t.attempt('set', client, 'setData', `${t.root}/none`, Buffer.from('x'));
  await t.attempt('remove', client, 'remove', `${t.root}/none`);
  await t.attempt('remove with children', client, 'remove', `${t.root}/there`);
  await t.attempt('remove config', client, 'remove', '/zookeeper/config');
  await t.attempt('acl', client, 'getACL', `${t.root}/none`);
  await t.attempt('remove all', client, 'removeRecursive', `${t.root}/there`);
};

exports.versions = async (t) => {
  const client = await t.client();
  const path = `${t.root}/n`;
  await t.call(client, 'create', path, Buffer.from('0'));
  for (const version of [0, 0, 1, -1, 9, 3]) await t.attempt(`set ${version}`, client, 'setData', path, Buffer.from('x'), version);
  for (const version of [0, 0, -1, 9]) await t.attempt(`setACL ${version}`, client, 'setACL', path, ACL.OPEN_ACL_UNSAFE, version);
  for (const version of [0, 9, 4]) await t.attempt(`remove ${version}`, client, 'remove', path, version);
};

exports.values = async (t) => {
  const client = await t.client();
  const values = { none: undefined, empty: Buffer.alloc(0), text: Buffer.from('text'), binary: Buffer.from([0, 255, 10]), large: Buffer.alloc(1000000, 7) };
  for (const [name, value] of Object.entries(values)) {
    await t.attempt(`create ${name}`, client, 'create', ...[`${t.root}/${name}`, value].filter((arg) => arg !== undefined));
    await t.attempt('get', client, 'getData', `${t.root}/${name}`);
  }
};

exports.children = async (t) => {
  const client = await t.client();
  const names = Array.from({ length: 500 }, (_, number) => `n${String(number).padStart(3, '0')}`);
  await Promise.all(names.map((name) => t.call(client, 'create', `${t.root}/${name}`)));
  const [children, stat] = await t.call(client, 'getChildren', t.root);
  if (children.sort().join() !== names.join()) t.broken('the listing is not what was created');
  t.say(t.stat(stat));
  await t.attempt('mkdirp', client, 'mkdirp', `${t.root}/a/b/ü 語`);
  await t.attempt('children', client, 'getChildren', `${t.root}/a/b`);
};

exports.transaction = async (t) => {
  const client = await t.client();
  await t.call(client, 'create', `${t.root}/old`);
  const transaction = client
    .transaction()
    .create(`${t.root}/a`, Buffer.from('1'))
    .create(`${t.root}/a/b`, CreateMode.EPHEMERAL)
    .create(`${t.root}/s-`, CreateMode.PERSISTENT_SEQUENTIAL)
    .check(`${t.root}/old`, 0)
    .setData(`${t.root}/old`, Buffer.from('new'), 0)
    .remove(`${t.root}/old`, 1);
  const [results] = await t.call(transaction, 'commit');
  for (const result of results) t.say(`  type ${result.type} path ${result.path} ${result.stat ? t.stat(result.stat) : ''} err ${result.err}`);
  await t.attempt('root', client, 'exists', t.root);
};

exports['transaction-failures'] = async (t) => {
  const client = await t.client();
  const r = t.root;
  await t.call(client, 'create', `${r}/there`);
  await t.call(client, 'create', `${r}/there/child`);
  const failing = {
    'create existing': (tx) => tx.create(`${r}/there`),
    'create without parent': (tx) => tx.create(`${r}/no/x`),
    'remove missing': (tx) => tx.remove(`${r}/none`),
    'remove with children': (tx) => tx.remove(`${r}/there`),
    'remove wrong version': (tx) => tx.remove(`${r}/there`, 7),
    'set missing': (tx) => tx.setData(`${r}/none`, Buffer.from('x')),
    'set wrong version': (tx) => tx.setData(`${r}/there`, Buffer.from('x'), 7),
    'check missing': (tx) => tx.check(`${r}/none`, 0),
    'check wrong version': (tx) => tx.check(`${r}/there`, 7),
  };
  for (const [label, add] of Object.entries(failing)) {
    const transaction = add(client.transaction().create(`${r}/new`)).remove(`${r}/there/child`);
    const [error, results] = await new Promise((resolve) => transaction.commit((...outcome) => resolve(outcome)));
    t.say(`${label}: ${error && error.name} [${(results || []).map((result) => `${result.type} ${result.err}`).join(', ')}]`);
  }
  await t.attempt('root', client, 'exists', r);
};

exports.acl = async (t) => {
  const owner = await t.client();
  const other = await t.client();
  owner.addAuthInfo('digest', Buffer.from('owner:secret'));
  await t.attempt('create', owner, 'create', `${t.root}/mine`, Buffer.from('x'), ACL.CREATOR_ALL_ACL);
  await t.attempt('acl', owner, 'getACL', `${t.root}/mine`);
  await t.attempt('another gets', other, 'getData', `${t.root}/mine`);
  await t.attempt('another sets', other, 'setData', `${t.root}/mine`, Buffer.from('y'));
  await t.attempt('another reads the ACL', other, 'getACL', `${t.root}/mine`);
  await t.attempt('auth without identity', other, 'create', `${t.root}/theirs`, ACL.CREATOR_ALL_ACL);
  other.addAuthInfo('digest', Buffer.from('owner:secret'));
  await t.attempt('with the same identity', other, 'getData', `${t.root}/mine`);
  const bad = [new ACL(Permission.ALL, new Id('world', 'someone'))];
  await t.attempt('invalid', owner, 'create', `${t.root}/bad`, bad);
  await t.attempt('setACL', owner, 'setACL', `${t.root}/mine`, [new ACL(Permission.READ | Permission.ADMIN, new Id('world', 'anyone'))]);
  await t.attempt('read only now', other, 'setData', `${t.root}/mine`, Buffer.from('z'));
};

exports.watches = async (t) => {
  const see = await t.client();
  const doer = await t.client();
  const n = `${t.root}/n`;
  let watch = t.watcher();
  await t.attempt('exists', see, 'exists', n, watch);
  await t.call(doer, 'create', n);
  await t.event('created', watch);
  watch = t.watcher();
  await t.call(see, 'getData', n, watch);
  await t.call(doer, 'setData', n, Buffer.from('1'));
  await t.event('changed', watch);
  watch = t.watcher();
  const data = t.watcher();
  await t.call(see, 'getChildren', n, watch);
  await t.call(see, 'getData', n, data);
  await t.call(doer, 'create', `${n}/c`);
  await t.event('child', watch);
  await t.silent('no data event for a child', see, data);
  const kids = t.watcher();
  const parent = t.watcher();
  await t.call(doer, 'remove', `${n}/c`);
  await t.call(see, 'getChildren', n, kids);
  await t.call(see, 'getChildren', t.root, parent);
  await t.call(doer, 'remove', n);
  await t.event('deleted, data', data);
  await t.event('deleted, children', kids);
  await t.event('deleted, parent', parent);
};

exports['after-kill'] = async (t) => {
  const client = await t.gated();
  const session = client.getSessionId().toString('hex');
  t.name('s', session);
  for (const name of ['same', 'later']) await t.call(client, 'create', `${t.root}/${name}`);
  await t.call(client, 'create', `${t.root}/eph`, CreateMode.EPHEMERAL);
  const [same, later, missing, kids] = Array.from({ length: 4 }, () => t.watcher());
  await t.call(client, 'getData', `${t.root}/same`, same);
  await t.call(client, 'getData', `${t.root}/later`, later);
  await t.call(client, 'exists', `${t.root}/missing`, missing);
  await t.call(client, 'getChildren', t.root, kids);
  await t.control('bounce');
  await t.back(client);
  if (client.getSessionId().toString('hex') !== session) t.broken('another session');
  await t.attempt('ephemeral', client, 'exists', `${t.root}/eph`);
  await t.silent('unchanged', client, same);
  await t.call(client, 'setData', `${t.root}/later`, Buffer.from('1'));
  await t.event('changed', later);
  await t.call(client, 'create', `${t.root}/missing`);
  await t.event('created', missing);
  await t.event('child', kids);
  await t.silent('still unchanged', client, same);
};

exports.ephemerals = async (t) => {
  const owner = await t.client();
  const other = await t.client();
  await t.call(owner, 'create', `${t.root}/e`, CreateMode.EPHEMERAL);
  const gone = t.watcher();
  await t.call(other, 'exists', `${t.root}/e`, gone);
  owner.close();
  await t.event('after close', gone);
  await t.attempt('left', other, 'getChildren', t.root);
};

// Eight clients take numbers from one sequence: none missing, none twice.
exports.sequence = async (t) => {
  const clients = await Promise.all(Array.from({ length: 8 }, () => t.client()));
  const each = 50;
  const paths = await Promise.all(
    clients.flatMap((client) => Array.from({ length: each }, () => t.call(client, 'create', `${t.root}/n-`, CreateMode.PERSISTENT_SEQUENTIAL))),
  );
  const numbers = paths.map(([path]) => Number(path.slice(-10))).sort((a, b) => a - b);
  if (numbers.some((number, at) => number !== at)) t.broken('numbers are missing or taken twice');
  t.say(`${numbers.length} numbers`);
};
