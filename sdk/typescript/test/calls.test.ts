/** What no vector says: aborts, closing, arguments, receipts, where the server and the key are found. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { findAccess } from '../src/access.js';
import { truncated } from '../src/delivery.js';
import {
  ApiError,
  type Called,
  ClientClosed,
  Interrupted,
  type Message,
  Queues,
  ReceiptUnknown,
  ServerUnreachable,
} from '../src/index.js';
import { Leases } from '../src/leases.js';
import { retryAfterHeader } from '../src/transport.js';
import { Broker, message } from './broker.js';

/** A client whose first request is held until `release`. */
function held() {
  const broker = new Broker();
  let release = () => {};
  const free = new Promise<void>((resolve) => {
    release = resolve;
  });
  const fetch: typeof globalThis.fetch = async (...given) => {
    if (broker.asked.length === 0) {
      broker.asked.push({ method: 'POST', path: 'held', query: {}, body: undefined });
      await Promise.race([free, rejection(given[1]?.signal)]);
      return Response.json({ id: 'held', state: 'ready', duplicate: false });
    }
    const { body } = given[1] ?? {};
    const { messages = [{}] } = JSON.parse(String(body));
    broker.asked.push({ method: 'POST', path: 'next', query: {}, body: JSON.parse(String(body)) });
    const results = messages.map(() => ({ id: 'next', state: 'ready', duplicate: false }));
    return Response.json({ ...results[0], results });
  };
  return { broker, release, client: broker.client({ fetch }) };
}

function rejection(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
}

test('a call that is aborted while it waits for its turn is not sent, and the others are', async () => {
  const { broker, release, client } = held();
  const abort = new AbortController();
  const first = client.enqueue({ queue: 'q', payload: 1 });
  await new Promise(setImmediate);
  const second = client.enqueue({ queue: 'q', payload: 2, signal: abort.signal });
  const third = client.enqueue({ queue: 'q', payload: 3 });
  abort.abort(new Error('enough'));
  await assert.rejects(second, /enough/);
  release();
  assert.equal((await first).id, 'held');
  assert.equal((await third).id, 'next');
  assert.deepEqual(broker.asked[1]?.body, { payload: 3 });
  await client.close();
});

test('a call that is aborted in a shared request leaves the others alone', async () => {
  const { release, client } = held();
  const abort = new AbortController();
  const [one, other] = [
    client.enqueue({ queue: 'q', payload: 1, signal: abort.signal }),
    client.enqueue({ queue: 'q', payload: 2 }),
  ];
  await new Promise(setImmediate);
  abort.abort(new Error('enough'));
  await assert.rejects(one, /enough/);
  release();
  await assert.rejects(other, /not one of this API/); // the held answer is that of a single call
  await client.close();
});

test('what was carried out is forgotten though its caller was aborted', async () => {
  const ends: Record<string, (client: Queues, message: Message, signal: AbortSignal) => Promise<unknown>> = {
    ack: (client, message, signal) => client.ack(message, { signal }),
    ackAll: (client, message, signal) => client.ackAll([message], { signal }),
    nack: (client, message, signal) => client.nack(message, { signal }),
    release: (client, message, signal) => client.release(message, { signal }),
  };
  for (const [name, end] of Object.entries(ends)) {
    const broker = new Broker();
    let release = () => {};
    const free = new Promise<void>((resolve) => {
      release = resolve;
    });
    const fetch: typeof globalThis.fetch = async (...given) => {
      if (String(given[0]).endsWith('/settle')) await free;
      return broker.fetch(...given);
    };
    const client = broker.client({ fetch });
    broker.put(message(1));
    const [received] = (await client.receive({ queue: 'q' })).messages;
    const abort = new AbortController();
    const ending = end(client, received as Message, abort.signal);
    await new Promise(setImmediate);
    abort.abort(new Error('enough'));
    await assert.rejects(ending, /enough/, name);
    assert.equal(client.leases.size, 1, name);
    release();
    for (let turn = 0; turn < 100 && client.leases.size > 0; turn++) await new Promise(setImmediate);
    assert.equal(client.leases.size, 0, name);
    await client.close();
  }
});

test('a batch that is aborted tells what its earlier requests stored', async () => {
  const broker = new Broker();
  const results = [1, 2].map((id) => ({ id, state: 'ready', duplicate: false }));
  const fetch: typeof globalThis.fetch = async (...given) => {
    if (broker.asked.length === 1) await rejection(given[1]?.signal);
    return broker.fetch(...given);
  };
  const client = broker.client({ fetch, batchEntriesMax: 2 });
  const abort = new AbortController();
  broker.next.push({ results });
  const messages = [1, 2, 3, 4, 5].map((payload) => ({ payload }));
  const storing = client.enqueueBatch({ queue: 'q', messages, signal: abort.signal });
  await broker.until(() => broker.asked.length === 1);
  await new Promise(setImmediate);
  abort.abort(new Error('enough'));
  await assert.rejects(storing, (error) => {
    assert.ok(error instanceof Interrupted);
    assert.deepEqual(
      [error.cause, error.outcome, error.results.map(({ id }) => id)],
      [abort.signal.reason, 'unknown', [1, 2]],
    );
    return true;
  });
  const never = client.enqueueBatch({ queue: 'q', messages, signal: abort.signal });
  await assert.rejects(never, { name: 'Interrupted', outcome: 'none', results: [] });
  assert.equal(broker.asked.length, 1);
  await client.close();
});

test('a call of its own request is aborted at once, and not repeated', async () => {
  const broker = new Broker();
  const client = broker.client();
  const abort = new AbortController();
  const receiving = client.receive({ queue: 'q', waitTime: 20, signal: abort.signal });
  await broker.until(() => broker.asked.length === 1);
  abort.abort(new Error('enough'));
  await assert.rejects(receiving, /enough/);
  assert.equal(broker.asked.length, 1);
  await assert.rejects(client.get('q', { signal: AbortSignal.abort() }), { name: 'AbortError' });
  await client.close();
});

test('a wait between tries is aborted too', async () => {
  const broker = new Broker();
  broker.next.push(Response.json({}, { status: 503, headers: { 'Retry-After': '9' } }));
  const signal = AbortSignal.timeout(20);
  await assert.rejects(broker.client().get('q', { signal }), { name: 'TimeoutError' });
});

test('acks of one call: what was never received here has its own error, and an abort is for all', async () => {
  const broker = new Broker();
  const client = broker.client();
  const [one, other] = [message(1), message(2)];
  const [first, unknown, third] = await client.ackAll([one, 'm-unknown', other]);
  assert.deepEqual([first, unknown instanceof ReceiptUnknown, third], [undefined, true, undefined]);
  const { id, receipt } = one;
  assert.deepEqual(broker.acks, [
    { id, receipt },
    { id: other.id, receipt: other.receipt },
  ]);
  assert.equal(broker.asked.length, 1);
  await assert.rejects(client.ackAll([one, other], { signal: AbortSignal.abort() }), { name: 'AbortError' });
  assert.equal(broker.asked.length, 1);
  await assert.rejects(client.ackAll([one, 7 as never]), TypeError);
  assert.equal(broker.asked.length, 1);
  assert.deepEqual(await client.ackAll([one], { signal: undefined }), [undefined]);
  assert.match(broker.asked[1]?.path ?? '', /settle$/);
  await client.close();
  const late = await client.ackAll([one]);
  assert.ok(late[0] instanceof ClientClosed);
});

test('close ends what waits', async () => {
  const { client } = held();
  const calls = [client.enqueue({ queue: 'q', payload: 1 })];
  await new Promise(setImmediate);
  calls.push(client.enqueue({ queue: 'q', payload: 2 }));
  const ended = Promise.allSettled(calls);
  await client.close();
  const outcomes = (await ended).map((one) => one.status === 'rejected' && [one.reason.name, one.reason.outcome]);
  assert.deepEqual(outcomes, [
    ['ClientClosed', 'unknown'],
    ['ClientClosed', 'none'],
  ]);
  await assert.rejects(client.get('q'), ClientClosed);
});

test('no answer in time says so', async () => {
  const client = new Broker().client({ timeout: 0.02, retriesMax: 0 });
  await assert.rejects(client.receive({ queue: 'q' }), (error) => {
    assert.ok(error instanceof ServerUnreachable);
    return error.outcome === 'unknown' && /no answer/.test(error.message);
  });
});

test('a real connection that is refused never carried anything', async () => {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  await new Promise((resolve) => listener.close(resolve));
  const client = new Queues({ apiKey: 'key', url: `http://127.0.0.1:${port}`, retriesMax: 0 });
  await assert.rejects(client.enqueue({ queue: 'q', payload: 1 }), { name: 'ServerUnreachable', outcome: 'none' });
});

test('what JSON cannot hold is refused before anything is sent', async () => {
  const client = new Broker().client();
  const enqueue = (message: object) => client.enqueue({ queue: 'q', payload: 1, ...message });
  await assert.rejects(enqueue({ payload: undefined }), TypeError);
  await assert.rejects(enqueue({ payload: { deep: [Buffer.from('x')] } }), /base64/);
  await assert.rejects(enqueue({ payload: 1n }), TypeError);
  await assert.rejects(enqueue({ delay: Number.NaN }), RangeError);
  await assert.rejects(enqueue({ prioritaet: 1 }), /no 'prioritaet'. Known: payload, priority/);
  await assert.rejects(client.redrive({ queue: 'q', filter: { olderthan: 1 } as object }), /no 'olderthan'/);
  await assert.rejects(client.ack(message(1), { enqueue: [{ payload: 1 } as never] }), /needs its queue/);
});

test('the trace that runs is carried by what is enqueued', async () => {
  const { broker, release, client } = held();
  const traced = broker.client({ traceparent: () => '00-a-b-01' });
  release();
  broker.next.push({ id: '1', state: 'ready', duplicate: false });
  await traced.enqueue({ queue: 'q', payload: 1 });
  assert.deepEqual(broker.asked[0]?.body, { payload: 1, traceparent: '00-a-b-01' });
  await client.close();
});

test('an option that a call does not have is refused before anything is asked', async () => {
  const broker = new Broker();
  const client = broker.client();
  // biome-ignore lint/suspicious/noExplicitAny: JavaScript has no types that would tell.
  const untyped = client as any;
  const calls: Record<string, () => unknown> = {
    maxRetries: () => untyped.create({ name: 'q', maxRetries: 3 }),
    setting: () => untyped.update({ name: 'q', config: {}, setting: 3 }),
    enqueues: () => untyped.pause('q', { enqueues: true }),
    receives: () => untyped.resume('q', { receives: true }),
    begin: () => untyped.list({ begin: 'a' }),
    atomc: () => untyped.enqueueBatch({ queue: 'q', messages: [{ payload: 1 }], atomc: true }),
    max: () => untyped.receive({ queue: 'q', max: 3 }),
    state_: () => untyped.peek({ queue: 'q', state_: 'dead' }),
    group: () => untyped.explain('m1', { group: 'audit' }),
    prio: () => untyped.updateMessage('m1', { prio: 3 }),
    results: () => untyped.ack(message(1), { results: 3 }),
    rejected: () => untyped.nack(message(1), { rejected: true }),
    wait: () => untyped.release(message(1), { wait: 3 }),
    visibility: () => untyped.extend(message(1), { visibility: 3 }),
    dryRun: () => untyped.purge('q', { dryRun: true }),
    onlyEmpty: () => untyped.delete('q', { onlyEmpty: true }),
    delay: () => untyped.runNow('m1', { delay: 3 }),
    ifLeased: () => untyped.cancelMessage('m1', { ifLeased: true }),
    dryrun: () => untyped.redrive({ queue: 'q', dryrun: true }),
    dry_run: () => untyped.cancelMessages({ queue: 'q', filter: {}, dry_run: true }),
    rates: () => untyped.updateMessages({ queue: 'q', delay: 1, rates: {} }),
    like: () => untyped.get('q', { like: 'a' }),
    history: () => untyped.getMessage('m1', { history: true }),
    from: () => untyped.createGroup('q', 'audit', { from: 'first' }),
    names: () => untyped.listGroups('q', { names: true }),
    members: () => untyped.getGroup('q', 'audit', { members: false }),
    ifEmpty: () => untyped.deleteGroup('q', 'audit', { ifEmpty: true }),
    consumerGroup: () => untyped.heartbeat('q', 'c1', { consumerGroup: 'audit' }),
    ofGroup: () => untyped.leaveGroup('q', 'c1', { ofGroup: 'audit' }),
    sample: () => untyped.getSweep('s1', { sample: true }),
    running: () => untyped.listSweeps({ running: true }),
    undo: () => untyped.cancelSweep('s1', { undo: true }),
    timeoutMs: () => untyped.waitForSweep('s1', { timeoutMs: 5 }),
    result: () => untyped.ackAll([message(1)], { result: 3 }),
    concurency: async () => untyped.consume({ queue: 'q', handler: () => {}, concurency: 3 }),
  };
  for (const [name, call] of Object.entries(calls)) {
    await assert.rejects(async () => call(), { name: 'TypeError', message: new RegExp(`has no (option )?'${name}'`) });
  }
  assert.deepEqual(broker.asked, []);
  await client.close();
});

test('a call that is aborted is told too, and a hook that fails stops nothing', async (context) => {
  const logged = context.mock.method(console, 'error', () => {});
  const broker = new Broker();
  const events: Called[] = [];
  const client = broker.client({
    onCall: (called) => {
      events.push(called);
      throw new Error('the hook');
    },
  });
  const abort = new AbortController();
  const receiving = client.receive({ queue: 'a/b', waitTime: 20, signal: abort.signal });
  await broker.until(() => broker.asked.length === 1);
  abort.abort(new Error('enough'));
  await assert.rejects(receiving, /enough/);
  assert.equal((await client.get('q')).name, 'q');
  const told = events.map(({ operation, queue, attempts, error }) => [operation, queue, attempts, String(error)]);
  assert.deepEqual(told, [
    ['receive', 'a/b', 1, 'Error: enough'],
    ['getQueue', 'q', 1, 'undefined'],
  ]);
  await client.close();
  assert.equal(logged.mock.callCount(), 2);
});

test('receipts: the last lease counts, the oldest is forgotten, and never one that may run', () => {
  let now = 0;
  const leases = new Leases(2, () => now);
  const lease = (id: string, receipt: string) => ({ id, queue: 'q', receipt });
  leases.remember([lease('a', '1'), lease('a', '2'), lease('b', '1')]);
  leases.forget(lease('a', '1'));
  assert.equal(leases.find('a').receipt, '2');
  leases.remember([lease('c', '1')]);
  assert.throws(() => leases.find('a'), ReceiptUnknown);
  now = 43_200_001;
  leases.remember([lease('d', '1')]);
  assert.equal(leases.size, 1);
});

test('an error of the server tells all it knows, in a line', () => {
  const errors = [{ pointer: '/priority', detail: '0 to 255' }];
  const error = new ApiError('request_invalid', 'wrong', { errors, requestId: 'abc' });
  assert.equal(String(error), 'ApiError: request_invalid: wrong (/priority: 0 to 255) [request abc]');
  assert.equal(error.status, 400);
});

test('an error text is cut between characters', () => {
  assert.equal(truncated('abc', 3), 'abc');
  const cut = truncated('ü'.repeat(20), 30);
  assert.ok(new TextEncoder().encode(cut).length <= 30);
  assert.match(cut, /^ü+\n\.\.\. \[truncated\]$/);
});

test('Retry-After is a number or a date', () => {
  const told = ['2', '0.5', '-1', 'Thu, 01 Jan 1970 00:01:40 GMT', 'soon', null];
  const seconds = told.map((text) => retryAfterHeader(text, () => 60_000));
  assert.deepEqual(seconds, [2, 0.5, 0, 40, undefined, undefined]);
});

test('the key that a server made is found on this machine, and sent to no other', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hanzo-sdk-'));
  try {
    writeFileSync(path.join(folder, 'api-key'), 'generated\n');
    const env = { HANZO_DATA_DIR: folder };
    assert.deepEqual(findAccess(undefined, undefined, env), { url: 'http://localhost:8080', apiKey: 'generated' });
    assert.equal(findAccess('http://[::1]:9/base/', undefined, env).url, 'http://[::1]:9/base');
    assert.throws(() => findAccess('https://queues.example.com', undefined, env), /no API key/);
    assert.throws(() => findAccess(undefined, 'two words', env), /copied whole/);
    assert.throws(() => findAccess('queues.example.com', 'key', env), /it must be like/);
    assert.equal(findAccess(undefined, undefined, { HANZO_API_KEY: 'k', HANZO_URL: 'https://a.b' }).url, 'https://a.b');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
