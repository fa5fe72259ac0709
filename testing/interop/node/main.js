// Runs the Node scenarios through node-zookeeper-client against one server.
//
//   node main.js <host:port> [scenario...]
'use strict';

const { Test } = require('./support');
const scenarios = require('./scenarios');

async function main() {
  const [hostport, ...chosen] = process.argv.slice(2);
  const unknown = chosen.filter((name) => !(name in scenarios));
  if (!hostport || unknown.length) {
    console.error(`usage: main.js <host:port> [scenario...]; scenarios: ${Object.keys(scenarios).join(', ')}`);
    process.exit(2);
  }
  for (const name of chosen.length ? chosen : Object.keys(scenarios)) {
    console.log(`== ${name}`);
    const began = Date.now();
    const test = new Test(name, hostport);
    try {
      await scenarios[name](test);
    } catch (error) {
      test.broken(error);
      console.error(error);
    }
    test.close();
    console.log(`# ${((Date.now() - began) / 1000).toFixed(2)} s`);
  }
  // The clients' sockets may still be closing.
  process.exit(0);
}

main();
