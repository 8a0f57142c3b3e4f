import { Limited, Queues, Reject, Retry } from '@hanzo/sdk';

interface Email {
  to: string;
}

const queues = new Queues();
await queues.create({ name: 'mails', config: { backoff: { initial: 0.2, max: 60 } } });
await queues.enqueueBatch({
  queue: 'mails',
  messages: ['ada@example.com', 'grace@example.com', 'alan@example.com', 'nobody'].map((to) => ({ payload: { to } })),
});

const sent: string[] = [];
const consumer = queues.consume<Email>({
  queue: 'mails',
  concurrency: { min: 2, max: 50 }, // follows backlog and handler time; a number stays
  handler: async ({ payload, attempts, deliveries }, { signal }) => {
    signal.throwIfAborted(); // aborted when the lease is lost: another consumer may have the message
    if (!payload.to.includes('@')) throw new Reject('no address'); // a dead letter at once
    if (payload.to.startsWith('alan') && attempts === 0) throw new Retry(0.1, 'busy'); // a failed attempt
    if (payload.to.startsWith('grace') && deliveries === 1) throw new Limited(0.1); // later, no attempt is counted
    sent.push(payload.to); // acknowledged on return, retried on any other error
  },
  onError: (error, message) => console.error('failed:', message?.payload.to, String(error)),
  onHandled: ({ outcome, seconds }) => {
    console.log(`${outcome} in ${seconds.toFixed(3)} s`);
    if (sent.length === 3) process.emit('SIGTERM');
  },
});

process.once('SIGTERM', () => queues.close({ grace: 10 })); // no more is received, handlers may finish
await consumer.done;
console.log(sent.sort().join(' '));
