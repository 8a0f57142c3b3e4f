/** Concurrency follows the work. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scale, type Seen } from '../src/scaling.js';
import { Broker, message } from './broker.js';

/** So many looks at the same. */
function looks(scale: Scale, count: number, seen: Seen): number[] {
  return Array.from({ length: count }, () => scale.next(seen));
}

test('it doubles at most, when what it grew by before has shown itself, up to what clears the backlog in time', () => {
  const backlog = { backlog: 1000, handlerSeconds: 0.1, busy: true };
  assert.deepEqual(looks(new Scale(1, 50), 10, backlog), [2, 2, 4, 4, 8, 8, 16, 16, 20, 20]);
  assert.deepEqual(looks(new Scale(1, 5), 6, backlog), [2, 2, 4, 4, 5, 5]);
});

test('it shrinks by a quarter, down to the minimum', () => {
  const scale = new Scale(2, 50);
  scale.current = 40;
  const idle = { backlog: 0, handlerSeconds: 0.1, busy: false };
  assert.deepEqual(looks(scale, 5, idle), [30, 23, 18, 14, 11]);
  assert.equal(looks(scale, 30, idle).at(-1), 2);
});

test('handlers that only made all of them slower are taken back, for a while', () => {
  const scale = new Scale(4, 50);
  const saturated = () => ({ backlog: 1000, handlerSeconds: 0.1 * scale.current, busy: true });
  const seen = Array.from({ length: 60 }, () => scale.next(saturated()));
  assert.equal(seen[0], 8);
  const back = seen.indexOf(4);
  assert.ok(back > 0);
  assert.deepEqual(new Set(seen.slice(back, back + 30)), new Set([4]));
  assert.equal(seen[back + 30], 8); // another try
});

test('it does not grow while handlers are free, or while nothing is known of them', () => {
  const scale = new Scale(3, 50);
  assert.equal(scale.next({ backlog: 1000, handlerSeconds: 0, busy: true }), 3);
  assert.equal(scale.next({ backlog: 1000, handlerSeconds: 1, busy: false }), 3);
});

test('a consumer with bounds grows under a backlog', async () => {
  const broker = new Broker();
  const client = broker.client();
  let most = 0;
  const consumer = client.consume({
    queue: 'q',
    concurrency: { min: 1, max: 8 },
    handler: async () => {
      most = Math.max(most, consumer.running);
      await new Promise((resolve) => setTimeout(resolve, 50));
    },
  });
  broker.put(...Array.from({ length: 2000 }, (_, payload) => message(payload)));
  await broker.until(() => most >= 4);
  assert.ok(consumer.concurrency >= 4);
  await client.close({ grace: 5 });
});
