/**
 * One message in a handler: run it, then tell the server how it ended.
 *
 *     running --returns--> ack              running --throws Retry----> nack with its delay
 *             --throws---> nack, the text           --throws Reject---> nack, reject
 *             --lease lost--> nothing               --throws Limited--> release with its delay, no attempt counted
 *                                                   --stopped---------> release, no attempt counted
 *
 * Must not know about polling or capacity; the consumer does.
 */

import { type HandledAs, Limited, Reject, Retry } from './consuming.js';
import { ApiError } from './errors.js';
import { isLeaseLost } from './keepalive.js';
import type { LeaseCalls } from './lease-calls.js';
import type { Message } from './models.js';
import { LIMITS } from './spec.js';

const MARK = '\n... [truncated]';

/** A message that was received, the call of the handler that has it, and why that was ended from outside, if it was. */
export class Delivery {
  handling: Handling | undefined;
  endedBy: 'lease_lost' | 'stop' | undefined;

  constructor(readonly message: Message) {}
}

/** One call of the handler: its messages (one, or a batch), and what interrupts it. */
export class Handling {
  readonly controller = new AbortController();

  constructor(readonly deliveries: readonly Delivery[]) {
    for (const delivery of deliveries) delivery.handling = this;
  }

  /** A batch goes on while one of its messages is still ours. */
  abortIfLost(): void {
    if (this.deliveries.every((delivery) => delivery.endedBy === 'lease_lost')) {
      this.controller.abort(new DOMException('the lease is lost: another consumer may have the message', 'AbortError'));
    }
  }

  /** Interrupts the handler; what it does not settle is given back. */
  stop(): void {
    for (const delivery of this.deliveries) delivery.endedBy ??= 'stop';
    this.controller.abort(new DOMException('the consumer stops', 'AbortError'));
  }
}

/** How a handler ended for one message: what it threw, or its result, if that is to be kept. */
export type Outcome = { thrown: unknown; result?: undefined } | { thrown?: undefined; result: unknown };

export interface Ended {
  outcome: HandledAs;
  error: unknown;
}

/** Tells the server how the handler ended. Returns what became of the message, and the error, if any. */
export async function settle(client: LeaseCalls, delivery: Delivery, outcome: Outcome): Promise<Ended> {
  const failed = 'thrown' in outcome;
  if (delivery.endedBy === 'lease_lost') return { outcome: 'lease_lost', error: outcome.thrown };
  if (client.leases.isSettled(delivery.message)) return { outcome: 'settled', error: outcome.thrown };
  try {
    return { outcome: await tell(client, delivery, outcome), error: outcome.thrown };
  } catch (error) {
    if (isLeaseLost(error)) return { outcome: 'lease_lost', error };
    if (failed || outcome.result === undefined || !cantBeKept(error)) return { outcome: 'unsettled', error };
    const ended = await settle(client, delivery, { result: undefined }); // it undoes no work
    return { outcome: ended.outcome, error: ended.error ?? error };
  }
}

function cantBeKept(error: unknown): boolean {
  const refused = error instanceof ApiError && ['request_invalid', 'payload_too_large'].includes(error.code);
  return refused || error instanceof TypeError;
}

async function tell(client: LeaseCalls, delivery: Delivery, outcome: Outcome): Promise<HandledAs> {
  const { message, endedBy } = delivery;
  if (!('thrown' in outcome)) {
    await client.ack(message, { result: outcome.result });
    return 'acked';
  }
  const { thrown } = outcome;
  if (thrown instanceof Reject) {
    await client.nack(message, { reject: true, error: truncated(thrown.message) });
    return 'rejected';
  }
  if (thrown instanceof Limited) {
    await client.release(message, { delay: thrown.delay });
    return 'released';
  }
  if (endedBy === 'stop' && isAbort(thrown, delivery)) {
    await client.release(message);
    return 'released';
  }
  if (thrown instanceof Retry) await client.nack(message, { delay: thrown.delay, error: truncated(thrown.message) });
  else await client.nack(message, { error: errorText(thrown) });
  return 'retried';
}

/** Whether the handler ended because it was interrupted, and not for a reason of its own. */
function isAbort(thrown: unknown, delivery: Delivery): boolean {
  return thrown === delivery.handling?.controller.signal.reason || (thrown as Error | undefined)?.name === 'AbortError';
}

/** The error, then where it came from; within the server's limit. */
export function errorText(thrown: unknown): string {
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  return truncated(stack ?? String(thrown));
}

/** The text, or its beginning and a mark, in at most so many bytes of UTF-8. */
export function truncated(text: string, bytesMax: number = LIMITS.errorBytesMax): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= bytesMax) return text;
  // A character that is cut in the middle is decoded as U+FFFD, at the end.
  const begun = new TextDecoder().decode(bytes.subarray(0, bytesMax - MARK.length));
  return begun.replace(/\ufffd+$/, '') + MARK;
}
