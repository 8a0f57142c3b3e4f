import { Queues, Reject } from '@hanzo/sdk';

const queues = new Queues();
await queues.create({ name: 'rows' });
await Promise.all(Array.from({ length: 25 }, (_, row) => queues.enqueue({ queue: 'rows', payload: row })));

const table: number[] = [];
async function insert(row: number): Promise<void> {
  if (row === 13) throw new Reject('unlucky');
  table.push(row);
}

queues.consume<number>({
  queue: 'rows',
  batchSize: 10,
  batchWait: 0.2, // up to 10, or what came within 0.2 s of the first
  handler: (messages) => Promise.allSettled(messages.map(({ payload }) => insert(payload))),
  onError: () => {},
  onHandled: () => {
    if (table.length === 24) void queues.close();
  },
});
