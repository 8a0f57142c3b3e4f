/**
 * What every part of a client makes its calls with: the transport, the shared requests, the receipts. Must not know the
 * API: its parts do, each with its own verbs.
 */

import { findAccess } from './access.js';
import { BatchLimit } from './batch-limit.js';
import type { OnCall } from './called.js';
import { Coalescer, type Entry } from './coalescer.js';
import { type Exchange, exchangeOver, type Fetch } from './connection.js';
import { ClientClosed } from './errors.js';
import { Leases } from './leases.js';
import { enqueuesTo, settlementsOf } from './requests.js';
import { RetryPolicy } from './retry.js';
import { LIMITS } from './spec.js';
import { type Request, Transport } from './transport.js';
import { linked, type Sleep, sleep } from './waiting.js';
import type { Json } from './wire.js';

export interface QueuesOptions {
  /** Default: HANZO_API_KEY, else the key that a server on this machine generated. */
  apiKey?: string | undefined;
  /** The server. Default: HANZO_URL, else http://localhost:8080. */
  url?: string | undefined;
  /** Seconds a request may take, a long poll's wait not counted. Default 30. */
  timeout?: number | undefined;
  /** Tries after a first one that failed in a way that can pass. Default 8: about 10 seconds. */
  retriesMax?: number | undefined;
  /** Entries of one request, at most: of calls that share it, or of one for many. Default 100. */
  batchEntriesMax?: number | undefined;
  /** Told of each request when it has ended, for metrics. */
  onCall?: OnCall | undefined;
  /** Used in place of the platform's `fetch`. */
  fetch?: Fetch | undefined;
  /** The W3C trace context of what runs now, for messages that are enqueued without one. */
  traceparent?: (() => string | undefined) | undefined;
}

/** Ends the wait for a call. The request may have been carried out; shared with other calls, it goes on. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** The part of a client that its verbs stand on. */
export class Calls {
  protected readonly batchLimit: BatchLimit;
  /** @internal */
  readonly leases = new Leases();
  protected readonly traceparent: () => string | undefined;
  private readonly transport: Transport;
  private readonly exchange: Exchange;
  private readonly enqueues: Coalescer;
  private readonly settles: Coalescer;
  private readonly closing = new AbortController();

  constructor(options: QueuesOptions = {}) {
    const { timeout = 30, retriesMax = 8, batchEntriesMax = LIMITS.batchEntriesMax } = options;
    this.batchLimit = new BatchLimit(batchEntriesMax);
    this.traceparent = options.traceparent ?? (() => undefined);
    const fetch = options.fetch ?? ((...given) => globalThis.fetch(...given));
    this.exchange = exchangeOver(findAccess(options.url, options.apiKey), fetch);
    this.transport = new Transport(this.untilClosed, new RetryPolicy(retriesMax), timeout, this.wait, options.onCall);
    this.enqueues = new Coalescer((queue) => enqueuesTo(this.transport, queue), this.batchLimit);
    this.settles = new Coalescer((queue) => settlementsOf(this.transport, queue), this.batchLimit);
  }

  /** Entries of one request, at most: as given, less once the server has refused so many. */
  get batchEntriesMax(): number {
    return this.batchLimit.entries;
  }

  private readonly untilClosed: Exchange = async (method, target, body, within, signal) => {
    this.enter();
    const ending = linked(this.closing.signal, signal);
    try {
      return await this.exchange(method, target, body, within, ending.signal);
    } finally {
      ending.release();
    }
  };

  /** A wait that `close` ends, with ClientClosed. */
  protected readonly wait: Sleep = async (seconds, signal) => {
    const ending = linked(this.closing.signal, signal);
    try {
      await sleep(seconds, ending.signal);
    } finally {
      ending.release();
    }
  };

  private enter(): void {
    if (this.closing.signal.aborted) throw new ClientClosed();
  }

  /** @internal */
  call(request: Request): Promise<Json> {
    return this.transport.call(request);
  }

  /** The entry goes with the next request of enqueues to this queue. */
  protected enqueued<R>(queue: string, entry: Entry<R>): Promise<R> {
    this.enter();
    return this.enqueues.submit(queue, entry);
  }

  /** The entry goes with the next request that settles leases of this queue. */
  protected settled<R>(queue: string, entry: Entry<R>): Promise<R> {
    this.enter();
    return this.settles.submit(queue, entry);
  }

  /** Ends all requests. Calls still waiting throw ClientClosed. */
  protected end(): void {
    this.enqueues.close();
    this.settles.close();
    this.closing.abort(new ClientClosed(undefined, { outcome: 'unknown' }));
  }
}
