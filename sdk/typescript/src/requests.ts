/**
 * The two requests that calls share: enqueue to a queue, and settle its leases (ack, nack, release, extend).
 *
 * Turns a lane's batch into one request and the answer's entries into its callers' results. Must not know who calls.
 */

import type { Batch, Send } from './coalescer.js';
import { type ApiError, isTransient } from './errors.js';
import { ackResultOf, enqueueResultOf, entryError, instant, nackResultOf, releaseResultOf } from './models.js';
import type { Transport } from './transport.js';
import { type Json, join, queueTarget } from './wire.js';

/** What a lane of enqueues does with its batch. */
export function enqueuesTo(transport: Transport, queue: string): Send {
  const single = queueTarget(queue, '/messages');
  const several = queueTarget(queue, '/messages/batch');
  return async (entries) => {
    const safe = entries.every((entry) => entry.safe);
    if (entries.length === 1) {
      const [entry] = entries as [Batch[number]];
      const request = { method: 'POST', target: single, body: entry.body, safe, messages: 1 } as const;
      entry.resolve(enqueueResultOf(await transport.call(request)));
      return;
    }
    let batch = entries;
    let waited = 0;
    for (let failures = 1; batch.length > 0; failures++) {
      const body = `{"messages":${join(batch.map((entry) => entry.body))}}`;
      const answer = await transport.call({ method: 'POST', target: several, body, safe, messages: batch.length });
      const refused = resolved(batch, answer.results);
      const last = lastToPass(refused);
      const delay = last === undefined ? undefined : await transport.backOff(failures, last, waited);
      waited += delay ?? 0;
      batch = toRepeat(refused, delay !== undefined);
    }
  };
}

type Refused = { entry: Batch[number]; error: ApiError };

/** Tells the callers of a batch of enqueues, but for those that were refused. */
function resolved(batch: Batch, results: Json): Refused[] {
  checkLength(results, batch.length);
  const refused: Refused[] = [];
  batch.forEach((entry, index) => {
    const result = results[index];
    if (result.error === undefined) entry.resolve(enqueueResultOf(result));
    else refused.push({ entry, error: entryError(result.error) });
  });
  return refused;
}

/** Of those that can be accepted later, the one that takes longest. */
function lastToPass(refused: Refused[]): ApiError | undefined {
  const passing = refused.map(({ error }) => error).filter(isTransient);
  return passing.sort((one, other) => asked(other) - asked(one))[0];
}

/**
 * Those of the refused that are sent again; the others are told. A limit, a pause or a full queue means the same for a
 * message that shares a request as for one that is alone.
 */
function toRepeat(refused: Refused[], repeats: boolean): Batch {
  for (const { entry, error } of refused) if (!entry.done && !(repeats && isTransient(error))) entry.refuse(error);
  return refused.map(({ entry }) => entry).filter((entry) => !entry.done);
}

function asked(error: ApiError): number {
  return error.retryAfter ?? 0;
}

const RESULTS: Record<string, (json: Json) => unknown> = {
  acks: ackResultOf,
  nacks: nackResultOf,
  releases: releaseResultOf,
  extends: (json) => instant(json.leasedUntil),
};

/** What a lane of acks, nacks, releases and extends does with its batch. A receipt makes each safe to repeat. */
export function settlementsOf(transport: Transport, queue: string): Send {
  const target = queueTarget(queue, '/settle');
  return async (batch) => {
    const kinds = [...new Set(batch.map((entry) => entry.kind))];
    const groups = kinds.map((kind) => ({ kind, entries: batch.filter((entry) => entry.kind === kind) }));
    const fields = groups.map(({ kind, entries }) => `"${kind}":${join(entries.map((entry) => entry.body))}`);
    const body = `{${fields.join(',')}}`;
    const answer = await transport.call({ method: 'POST', target, body, safe: true, messages: batch.length });
    for (const { kind, entries } of groups) {
      checkLength(answer[kind], entries.length);
      entries.forEach((entry, index) => {
        const result = answer[kind][index];
        if (result.error === undefined) entry.resolve(RESULTS[kind]?.(result));
        else if (!entry.done) entry.refuse(entryError(result.error));
      });
    }
  };
}

function checkLength(results: unknown, length: number): void {
  if (!Array.isArray(results) || results.length !== length) throw new Error(`${length} results were expected`);
}
