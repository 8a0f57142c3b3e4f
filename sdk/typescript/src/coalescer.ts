/**
 * Concurrent calls share requests.
 *
 * A lane collects the calls to one queue. The first call goes at once (with those made in the same turn); calls that
 * arrive while a request is in flight wait and go together in the next one. No timer, no linger: alone, a call waits for
 * nothing; under load, hundreds share one request. Order is kept: a lane has one request in flight, so calls reach the
 * server in the order they were made. Every caller gets its own result or its own error, and a caller that is aborted
 * leaves the others alone.
 *
 * Must not know what an entry asks of the server; `send` does: only its size, whether it is safe to repeat, and which
 * refusals of a request can be the fault of one entry. `send` settles every entry of its batch, or throws.
 */

import type { BatchLimit } from './batch-limit.js';
import { ApiError, ClientClosed, copyOf, OutcomeUnknown, QueuesError } from './errors.js';
import { onAbort } from './waiting.js';

/** A shared request's length; beyond this sharing gains nothing. A larger entry goes alone. */
const REQUEST_LENGTH_MAX = 1 << 20;

/** Refusals of a whole request that one entry can cause. */
const ENTRY_CODES = new Set([
  'request_invalid',
  'json_invalid',
  'message_id_invalid',
  'receipt_invalid',
  'payload_too_large',
]);

/** One call: what to send, where it belongs in the request (`kind`), and who waits for it. */
export class Entry<R = unknown> {
  readonly result: Promise<R>;
  private settle!: { resolve: (result: R) => void; reject: (error: unknown) => void };
  /** Its caller was told. */
  done = false;

  /** `safe`: harmless to repeat when an earlier try may have been carried out. `onCarriedOut` hears of that, also when its
   * caller was aborted meanwhile. */
  constructor(
    readonly body: string,
    readonly safe: boolean,
    readonly kind = '',
    private readonly signal?: AbortSignal,
    private readonly onCarriedOut: () => void = () => {},
  ) {
    this.result = new Promise<R>((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    signal?.throwIfAborted();
    if (signal !== undefined) onAbort(signal, this.abort);
  }

  private readonly abort = () => this.refuse(this.signal?.reason);

  resolve(result: R): void {
    this.onCarriedOut();
    this.end();
    this.settle.resolve(result);
  }

  refuse(error: unknown): void {
    this.end();
    this.settle.reject(error);
  }

  private end(): void {
    this.done = true;
    this.signal?.removeEventListener('abort', this.abort);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a batch has entries of several results.
export type Batch = readonly Entry<any>[];
export type Send = (batch: Batch) => Promise<void>;

/** The calls to one queue. */
export class Lane {
  // biome-ignore lint/suspicious/noExplicitAny: as in Batch.
  private waiting: Entry<any>[] = [];
  private sending: Batch = [];
  private closed = false;
  idle = true;

  constructor(
    private readonly send: Send,
    private readonly limit: BatchLimit,
  ) {}

  /** The entry goes with the next request. */
  submit<R>(entry: Entry<R>): Promise<R> {
    this.waiting.push(entry);
    if (this.idle) {
      this.idle = false;
      queueMicrotask(() => void this.drain());
    }
    return entry.result;
  }

  private async drain(): Promise<void> {
    while (!this.closed) {
      this.sending = this.take();
      if (this.sending.length === 0) break;
      await this.deliver(this.sending);
    }
    this.idle = true;
  }

  private take(): Batch {
    const batch: Batch[number][] = [];
    let length = 0;
    let taken = 0;
    for (const entry of this.waiting) {
      length += entry.body.length + 1;
      if (batch.length >= this.limit.entries || (batch.length > 0 && length > REQUEST_LENGTH_MAX)) break;
      if (!entry.done) batch.push(entry); // else its caller was aborted
      taken++;
    }
    this.waiting.splice(0, taken);
    return batch;
  }

  private async deliver(entries: Batch): Promise<void> {
    const batch = entries.filter((entry) => !entry.done); // what is settled is not sent again
    if (batch.length === 0) return;
    try {
      await this.send(batch);
    } catch (error) {
      if (error instanceof OutcomeUnknown) {
        refuse(
          batch.filter((entry) => !entry.safe),
          error,
        );
        await this.deliver(batch.filter((entry) => entry.safe));
      } else if (batch.length > 1 && this.splits(error, batch)) {
        const middle = Math.floor(batch.length / 2);
        await this.deliver(batch.slice(0, middle));
        await this.deliver(batch.slice(middle));
      } else if (error instanceof QueuesError) {
        refuse(batch, error);
      } else {
        // An answer in another shape: of something that is not the server.
        refuse(batch, new ApiError('', 'the answer is not one of this API', { outcome: 'unknown', cause: error }));
      }
    }
  }

  /** Whether parts may pass where the whole was refused: then one bad entry fails alone. */
  private splits(error: unknown, batch: Batch): boolean {
    if (!(error instanceof ApiError)) return false;
    if (error.code === 'batch_too_large') this.limit.refused(batch.length);
    return error.code === 'batch_too_large' || error.code === 'request_too_large' || ENTRY_CODES.has(error.code);
  }

  /** Calls that still wait are refused. */
  close(): void {
    this.closed = true;
    refuse(this.sending, new ClientClosed(undefined, { outcome: 'unknown' }));
    refuse(this.waiting, new ClientClosed());
    this.waiting = [];
  }
}

function refuse(batch: Batch, error: QueuesError): void {
  for (const entry of batch) if (!entry.done) entry.refuse(copyOf(error));
}

const LANES_KEPT = 256;

/** The lanes, one a queue. A lane with nothing in flight is dropped when there are many. */
export class Coalescer {
  private lanes = new Map<string, Lane>();

  constructor(
    private readonly sendTo: (queue: string) => Send,
    private readonly limit: BatchLimit,
  ) {}

  submit<R>(queue: string, entry: Entry<R>): Promise<R> {
    let lane = this.lanes.get(queue);
    if (lane === undefined) {
      if (this.lanes.size >= LANES_KEPT) this.lanes = new Map([...this.lanes].filter(([, { idle }]) => !idle));
      lane = new Lane(this.sendTo(queue), this.limit);
      this.lanes.set(queue, lane);
    }
    return lane.submit(entry);
  }

  close(): void {
    for (const lane of this.lanes.values()) lane.close();
  }
}
