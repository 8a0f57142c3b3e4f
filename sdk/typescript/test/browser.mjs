/**
 * What a page does, with nothing but what a browser has: the package's modules in a context of their own, without process,
 * require, Buffer or any module of Node. Run with --experimental-vm-modules.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';

const BROWSER = [
  ...[
    'AbortController',
    'AbortSignal',
    'DOMException',
    'Event',
    'EventTarget',
    'Headers',
    'Request',
    'Response',
    'URL',
  ],
  ...['TextEncoder', 'URLSearchParams', 'clearTimeout', 'console', 'crypto', 'fetch', 'performance', 'queueMicrotask'],
  'setTimeout',
];
const page = vm.createContext(Object.fromEntries(BROWSER.map((name) => [name, globalThis[name]])));
const modules = new Map();

/** A module of the package; it may import nothing else. */
function moduleAt(file) {
  assert.ok(file.startsWith(path.resolve('dist/esm')), `the package imports ${file}`);
  if (!modules.has(file)) {
    modules.set(file, new vm.SourceTextModule(readFileSync(file, 'utf8'), { context: page, identifier: file }));
  }
  return modules.get(file);
}

const sdk = moduleAt(path.resolve('dist/esm/index.js'));
await sdk.link((name, from) => {
  assert.ok(name.startsWith('./'), `${from.identifier} imports ${name}`);
  return moduleAt(path.resolve(path.dirname(from.identifier), name));
});
await sdk.evaluate();
const { Queues } = sdk.namespace;

assert.throws(() => new Queues(), /no API key/); // there is nothing to find
const queues = new Queues({ url: process.env.HANZO_URL, apiKey: process.env.HANZO_API_KEY });
await queues.create({ name: 'page' });
await Promise.all([1, 2, 3].map((payload) => queues.enqueue({ queue: 'page', payload })));
const seen = [];
const consumer = queues.consume({
  queue: 'page',
  handler: ({ payload }) => {
    seen.push(payload);
    if (seen.length === 3) void consumer.stop();
  },
});
await consumer.done;
assert.equal((await queues.get('page')).counts.ready, 0);
await assert.rejects(queues.get('page', { signal: AbortSignal.abort() }), { name: 'AbortError' });
await queues.close();
console.log(seen.sort().join(' '));
