import { ApiError, Queues } from '@hanzo/sdk';

const counts: Record<string, number> = {}; // or those of your metrics library
const count = (name: string, by = 1) => {
  counts[name] = (counts[name] ?? 0) + by;
};

const queues = new Queues({
  onCall: ({ operation, attempts, seconds, error }) => {
    const code = error === undefined ? 'ok' : error instanceof ApiError ? error.code : String(error);
    count(`${operation} ${code}`);
    count('retries', attempts - 1);
    count('seconds', seconds);
  },
  traceparent: () => undefined, // the W3C trace context of what runs now; in a handler, it is message.traceparent
});
await queues.create({ name: 'measured' });
await queues.enqueue({ queue: 'measured', payload: 1 });

const consumer = queues.consume({
  queue: 'measured',
  handler: () => {},
  onHandled: ({ outcome, running, concurrency }) => {
    count(outcome); // also its seconds
    console.log(`${running} of ${concurrency} handlers run`);
    void consumer.stop();
  },
});
await consumer.done;
await queues.close();
console.log(counts['createQueue ok'], counts['enqueue ok'], counts.retries, counts.acked);
