/** What a consumer does with what its handler does. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Handled, type HandlerContext, Limited, type Message, Reject, Retry } from '../src/index.js';
import { Event } from '../src/waiting.js';
import { Broker, message, problem } from './broker.js';

const quiet = { onError: () => {} };

test('a handler that returns acks, and the poll asks for no more than can start', async () => {
  const broker = new Broker();
  const seen: unknown[] = [];
  const client = broker.client();
  client.consume({ queue: 'q', concurrency: 3, handler: (message) => void seen.push(message.payload) });
  broker.put(...[1, 2, 3, 4, 5].map((payload) => message(payload)));
  await broker.until(() => broker.acks.length === 5);
  await client.close();
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  const polls = broker.asked.filter(({ method, path }) => method === 'GET' && path.endsWith('/messages'));
  assert.ok(polls.every(({ query }) => Number(query.maxMessages) <= 3));
  assert.ok(polls.every(({ query }) => query.visibilityTimeout === '30' && query.waitTime === '20'));
  assert.deepEqual(broker.members, ['DELETE']);
});

test('what a handler throws says what becomes of the message', async () => {
  const broker = new Broker();
  const events: Handled[] = [];
  const errors: unknown[] = [];
  const client = broker.client();
  const thrown: Record<string, unknown> = {
    fail: new Error('broken'),
    text: 'plain text',
    retry: new Retry(2, 'again'),
    reject: new Reject('never'),
    limited: new Limited(3),
  };
  client.consume({
    queue: 'q',
    handler: (message) => {
      throw thrown[message.payload];
    },
    onError: (error) => errors.push(error),
    onHandled: (event) => events.push(event),
  });
  broker.put(...Object.keys(thrown).map((payload) => message(payload)));
  await broker.until(() => broker.nacks.length + broker.releases.length === 5);
  await client.close();
  const nacks = Object.fromEntries(broker.nacks.map(({ id, receipt, ...rest }) => [id, rest]));
  assert.match(nacks['m-fail'].error, /^Error: broken\n +at /);
  assert.deepEqual(nacks['m-text'], { error: 'plain text' });
  assert.deepEqual(nacks['m-retry'], { delay: 2, error: 'again' });
  assert.deepEqual(nacks['m-reject'], { reject: true, error: 'never' });
  assert.deepEqual(broker.releases, [{ id: 'm-limited', receipt: 'r-limited', delay: 3 }]);
  assert.deepEqual(events.map(({ outcome }) => outcome).sort(), [
    'rejected',
    'released',
    'retried',
    'retried',
    'retried',
  ]);
  assert.equal(errors.length, 4); // a limit is no failure
});

test('a lease is extended at a third, for as long as the handler runs', async () => {
  const broker = new Broker({ visibilityTimeout: 0.09 });
  const client = broker.client();
  const end = new Event();
  client.consume({ queue: 'q', handler: () => end.wait() });
  broker.put(message(1));
  await broker.until(() => broker.extends.length === 3);
  assert.deepEqual(broker.extends[0], { id: 'm-1', receipt: 'r-1', visibilityTimeout: 0.09 });
  end.set();
  await broker.until(() => broker.acks.length === 1);
  const extended = broker.extends.length;
  await sleep(100); // three times the interval in which another one would have come
  assert.equal(broker.extends.length, extended);
  await client.close();
});

test('the first extension comes long before the lease would end', async () => {
  const broker = new Broker({ visibilityTimeout: 3 });
  const client = broker.client();
  const end = new Event();
  let began = 0;
  const handler = () => {
    began = performance.now();
    return end.wait();
  };
  client.consume({ queue: 'q', handler });
  broker.put(message(1));
  await broker.until(() => broker.extends.length === 1);
  const waited = performance.now() - began;
  assert.ok(waited > 800 && waited < 2800, `it came after ${waited} ms`);
  end.set();
  await client.close();
});

for (const code of ['lease_lost', 'message_not_found', 'queue_not_found'])
  test(`when its lease is lost (${code}) a handler is aborted, and nothing is told of the message`, () => loses(code));

async function loses(code: string): Promise<void> {
  const broker = new Broker({ visibilityTimeout: 0.03 });
  broker.extendError = { error: { code, detail: 'it ended' } };
  const events: Handled[] = [];
  const client = broker.client();
  const aborted = (context: HandlerContext) =>
    new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
  const consumer = client.consume({
    queue: 'q',
    handler: (_, context) => aborted(context),
    onHandled: (event) => events.push(event),
    ...quiet,
  });
  broker.put(message(1));
  await broker.until(() => broker.extends.length > 0);
  await consumer.stop();
  assert.deepEqual(
    events.map(({ outcome }) => outcome),
    ['lease_lost'],
  );
  assert.deepEqual([broker.acks, broker.nacks, broker.releases], [[], [], []]);
  await client.close();
}

test('an ordering key stays serial here even when a lease was lost', async () => {
  const broker = new Broker({ visibilityTimeout: 0.03 });
  broker.extendError = { error: { code: 'lease_lost', detail: 'it ended' } };
  const client = broker.client();
  const log: string[] = [];
  const end = new Event();
  const stubborn = async ({ deliveries }: Message) => {
    log.push(`begin ${deliveries}`);
    if (deliveries === 1) await end.wait(); // heeds no signal
    log.push(`end ${deliveries}`);
  };
  client.consume({ queue: 'q', handler: stubborn, ...quiet });
  broker.put(message(1, { orderingKey: 'k' }));
  await broker.until(() => broker.extends.length > 0);
  broker.extendError = undefined;
  const polls = () => broker.asked.filter(({ path, method }) => method === 'GET' && path.endsWith('/messages')).length;
  const before = polls();
  broker.put(message(1, { orderingKey: 'k', deliveries: 2, receipt: 'r-2' }));
  await broker.until(() => polls() > before); // it was handed out
  await sleep(20); // that it does not begin has no event
  end.set();
  await broker.until(() => broker.acks.length === 1);
  assert.deepEqual(log, ['begin 1', 'end 1', 'begin 2', 'end 2']);
  await client.close();
});

test('a stop lets handlers finish, and receives no more', async () => {
  const broker = new Broker();
  const client = broker.client();
  const began = new Event();
  const end = new Event();
  const handler = async () => {
    began.set();
    await end.wait();
  };
  const consumer = client.consume({ queue: 'q', concurrency: 1, handler });
  broker.put(message(1), message(2));
  await began.wait();
  const stopped = consumer.stop();
  end.set();
  await stopped;
  assert.deepEqual(broker.acks, [{ id: 'm-1', receipt: 'r-1' }]);
  assert.equal(consumer.running, 0);
  await client.close();
});

test('after the grace handlers are aborted and their messages given back', async () => {
  const broker = new Broker();
  const events: Handled[] = [];
  const client = broker.client();
  const consumer = client.consume({
    queue: 'q',
    handler: (_, { signal }) => sleep(60_000, undefined, { signal }),
    onHandled: (event) => events.push(event),
  });
  broker.put(message(1));
  await broker.until(() => consumer.running === 1);
  await consumer.stop({ grace: 0.01 });
  assert.deepEqual(broker.releases, [{ id: 'm-1', receipt: 'r-1' }]);
  assert.deepEqual(
    events.map(({ outcome }) => outcome),
    ['released'],
  );
  await client.close();
});

test('a signal stops the consumer too, and a second stop can end the grace', async () => {
  const broker = new Broker();
  const client = broker.client();
  const stopping = new AbortController();
  const consumer = client.consume({
    queue: 'q',
    signal: stopping.signal,
    handler: (_, { signal }) => sleep(60_000, undefined, { signal }),
  });
  broker.put(message(1));
  await broker.until(() => consumer.running === 1);
  stopping.abort();
  await consumer.stop({ grace: 0 });
  await consumer.done;
  assert.equal(broker.releases.length, 1);
  await client.close();
});

test('an empty answer that says when to come back is obeyed', async () => {
  const broker = new Broker();
  const client = broker.client();
  client.consume({ queue: 'q', handler: () => {} });
  broker.put({ messages: [], limitedBy: 'queue', retryAfter: 0.1 });
  const polls = () => broker.asked.filter(({ path, method }) => method === 'GET' && path.endsWith('/messages')).length;
  await broker.until(() => polls() === 1);
  const began = performance.now();
  await broker.until(() => polls() === 2);
  assert.ok(performance.now() - began >= 95, `it came back after ${performance.now() - began} ms`);
  await client.close();
});

test('while the server is away the consumer waits, and its poll is repeated as the same one', async () => {
  const broker = new Broker();
  const errors: unknown[] = [];
  const client = broker.client();
  client.consume({ queue: 'q', handler: () => {}, onError: (error, message) => errors.push([String(error), message]) });
  broker.put(
    new TypeError('fetch failed'),
    problem(503, 'overloaded', { retryable: true, outcome: 'none' }),
    message(1),
  );
  await broker.until(() => broker.acks.length === 1);
  await client.close();
  const polls = broker.asked.filter(({ method, path }) => method === 'GET' && path.endsWith('/messages'));
  assert.equal(new Set(polls.slice(0, 3).map(({ query }) => query.attemptId)).size, 1);
  assert.deepEqual(errors[1], ['ApiError: overloaded: overloaded it is', undefined]);
});

test('what the server refuses to begin with ends it, loudly', async () => {
  const broker = new Broker();
  broker.next.push(problem(404, 'queue_not_found'));
  const errors: unknown[] = [];
  const consumer = broker.client().consume({ queue: 'q', handler: () => {}, onError: (error) => errors.push(error) });
  await assert.rejects(consumer.done, { code: 'queue_not_found' });
  assert.equal(errors.length, 1);
});

test('a hook that fails stops nothing', async (context) => {
  const broker = new Broker();
  const logged = context.mock.method(console, 'error', () => {});
  const client = broker.client();
  client.consume({
    queue: 'q',
    handler: () => {},
    onHandled: async () => {
      throw new Error('the hook');
    },
  });
  broker.put(message(1), message(2));
  await broker.until(() => broker.acks.length === 2);
  await client.close();
  assert.equal(logged.mock.callCount(), 2);
});

test('without a hook, what a handler means is a line of the log, and what it did not mean has a stack', async (context) => {
  const broker = new Broker();
  const [warned, logged] = (['warn', 'error'] as const).map((level) => context.mock.method(console, level, () => {}));
  const client = broker.client();
  const thrown = [new Retry(2, 'busy'), new Reject('no address'), new Error('broken')];
  client.consume<number>({
    queue: 'q',
    handler: ({ payload }) => {
      throw thrown[payload];
    },
  });
  broker.put(message(0), message(1), message(2));
  await broker.until(() => broker.nacks.length === 3);
  await client.close();
  const calls = (mock: typeof warned) => mock?.mock.calls.map((call) => call.arguments);
  assert.deepEqual(calls(warned), [['message m-0 of q failed: Retry: busy']]);
  assert.deepEqual(calls(logged), [
    ['message m-1 of q failed: Reject: no address'],
    ['message m-2 of q failed:', thrown[2]],
  ]);
});

test('a handler may settle the message itself', async () => {
  const broker = new Broker();
  const events: Handled[] = [];
  const client = broker.client();
  const enqueue = [{ queue: 'next', payload: 1 }];
  client.consume({
    queue: 'q',
    handler: (message) => client.ack(message, { result: { sum: 3 }, enqueue }),
    onHandled: (event) => events.push(event),
  });
  broker.put(message(1));
  await broker.until(() => broker.acks.length === 1);
  await client.close();
  assert.deepEqual(broker.acks, [{ id: 'm-1', receipt: 'r-1', result: { sum: 3 }, enqueue }]);
  assert.equal(events[0]?.outcome, 'settled');
});

test('a result that cannot be kept undoes no work', async () => {
  const broker = new Broker();
  const errors: unknown[] = [];
  const client = broker.client();
  const handler = () => new Uint8Array(3);
  client.consume({ queue: 'q', keepResults: true, handler, onError: (error) => errors.push(error) });
  broker.put(message(1));
  await broker.until(() => broker.acks.length === 1);
  await client.close();
  assert.deepEqual(broker.acks, [{ id: 'm-1', receipt: 'r-1' }]);
  assert.match(String(errors[0]), /can't hold bytes/);
});

test('a batch is settled together, each message as its outcome says', async () => {
  const broker = new Broker();
  const client = broker.client();
  const one = async (message: Message) => {
    if (message.payload === 2) throw new Reject('unlucky');
  };
  client.consume({ queue: 'q', batchSize: 10, handler: (messages) => Promise.allSettled(messages.map(one)), ...quiet });
  broker.put(message(1), message(2), message(3));
  await broker.until(() => broker.acks.length === 2 && broker.nacks.length === 1);
  await client.close();
  assert.equal(broker.asked.filter(({ path }) => path.endsWith('/settle')).length, 1);
});

test('a batch whose outcomes do not fit has failed', async () => {
  const broker = new Broker();
  const client = broker.client();
  client.consume({ queue: 'q', batchSize: 10, handler: () => [1, 2], ...quiet });
  broker.put(message(1), message(2));
  await broker.until(() => broker.nacks.length === 2);
  await client.close();
  assert.match(broker.nacks[0].error, /Promise.allSettled/);
});

test('options that cannot be are refused where they are written', () => {
  const client = new Broker().client();
  const handler = () => {};
  assert.throws(() => client.consume({ queue: '', handler }), TypeError);
  assert.throws(() => client.consume({ queue: 'q', handler, concurrency: 0 }), RangeError);
  assert.throws(() => client.consume({ queue: 'q', handler, concurrency: { min: 3, max: 2 } }), RangeError);
  assert.throws(() => client.consume({ queue: 'q', handler, waitTime: 31 }), RangeError);
});
