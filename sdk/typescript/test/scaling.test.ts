/** Concurrency follows the work; what it should be is in spec/vectors/scaling. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Broker, message } from './broker.js';

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
