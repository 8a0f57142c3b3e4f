import assert from 'node:assert/strict';
import { Queues } from '@hanzo/sdk';

const queues = new Queues();
await queues.create({ name: 'invoices' });
await queues.create({ name: 'parcels' });
const first = await queues.enqueue({ queue: 'invoices', payload: { order: 17 }, dedupId: 'order-17' });

const { messages } = await queues.receive({ queue: 'invoices', maxMessages: 10, waitTime: 5, visibilityTimeout: 60 });
for (const message of messages) {
  try {
    await queues.extend(message, { visibilityTimeout: 120 }); // two minutes from now, should it take longer
    await queues.ack(message, {
      result: { invoice: '2026-0001' }, // kept for the queue's resultRetention
      enqueue: [{ queue: 'parcels', payload: { order: 17 } }], // in the same step: all of it, or nothing
    });
  } catch (error) {
    await queues.nack(message, { error: String(error) });
  }
}

const again = await queues.enqueue({ queue: 'invoices', payload: { order: 17 }, dedupId: 'order-17' });
assert.equal(again.id, first.id);
assert.equal(again.duplicate, true);
assert.equal(again.state, 'done');
assert.deepEqual(again.result, { invoice: '2026-0001' });
await queues.close();
