import assert from 'node:assert/strict';
import { ApiError, OutcomeUnknown, Queues, QueuesError, ServerUnreachable } from '@hanzo/sdk';

const queues = new Queues();
try {
  await queues.enqueue({ queue: 'no-such-queue', payload: {}, signal: AbortSignal.timeout(5000) });
} catch (error) {
  assert.ok(error instanceof QueuesError);
  if (error instanceof ApiError) assert.equal(error.code, 'queue_not_found'); // typed: a misspelt code does not compile
  if (error instanceof ServerUnreachable) console.error('no answer, after the retries', error.outcome);
  if (error instanceof OutcomeUnknown) console.error('it may have been stored: give a dedupId, and this never happens');
}
await queues.close();
