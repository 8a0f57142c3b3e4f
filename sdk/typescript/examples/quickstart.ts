import { Queues } from '@hanzo/sdk';

const queues = new Queues();

await queues.create({ name: 'emails', config: { maxRetries: 3 } });
await queues.enqueue({ queue: 'emails', payload: { to: 'ada@example.com' } });

const consumer = queues.consume({
  queue: 'emails',
  handler: async (message) => {
    console.log(`sending to ${message.payload.to}`);
    void consumer.stop(); // one is enough here: a worker goes on
  },
});

await consumer.done;
await queues.close();
