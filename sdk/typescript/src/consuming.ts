/** Consumers as users declare them: their options, what a handler may throw, what is told of each delivery. */

import type { CallOptions } from './calls.js';
import type { Message } from './models.js';
import { LIMITS } from './spec.js';
import { checkNames } from './wire.js';

/** Throw it in a handler: deliver this message again, `delay` seconds from now (default: the queue's backoff). It counts
 * as a failed attempt. */
export class Retry extends Error {
  constructor(
    readonly delay?: number,
    reason = 'the handler asked for a retry',
  ) {
    super(reason);
    this.name = 'Retry';
  }
}

/** Throw it in a handler: this message can never succeed, make it a dead letter at once. */
export class Reject extends Error {
  constructor(reason = 'the handler rejected the message') {
    super(reason);
    this.name = 'Reject';
  }
}

/** Throw it in a handler: a limit elsewhere (a service that answers 429) keeps this message from being done now; deliver
 * it again `delay` seconds from now. It does not count as a failed attempt, however often it is thrown. */
export class Limited extends Error {
  constructor(
    readonly delay: number,
    reason = 'the handler is limited',
  ) {
    super(reason);
    this.name = 'Limited';
  }
}

/**
 * acked, retried, rejected; released: given back with no attempt counted, by `Limited` or a stop; settled: the handler
 * settled it itself; lease_lost: another consumer may have it; unsettled: the server could not be told, the message comes
 * again when its lease ends.
 */
export type HandledAs = 'acked' | 'retried' | 'rejected' | 'released' | 'settled' | 'lease_lost' | 'unsettled';

/** What became of one delivery, for metrics. */
export interface Handled {
  message: Message;
  outcome: HandledAs;
  /** How long the handler ran, for a batch with all its messages. */
  seconds: number;
  /** Handlers of this consumer that run now. */
  running: number;
  /** Handlers of this consumer that may run at once, now. */
  concurrency: number;
  /** What the handler threw, or what went wrong when settling. */
  error: unknown;
}

/** What a handler gets beside its message. */
export interface HandlerContext {
  /** Aborted when the lease is lost, because another consumer may have the message, and when a stop's grace is over. */
  signal: AbortSignal;
}

// biome-ignore lint/suspicious/noExplicitAny: as in Message.
export type Handler<Payload = any> = (message: Message<Payload>, context: HandlerContext) => unknown;

/** All were done when it returns nothing, all failed when it throws; or it returns what `Promise.allSettled` gives, in
 * order: the outcome of each. */
// biome-ignore lint/suspicious/noExplicitAny: as in Message.
export type BatchHandler<Payload = any> = (messages: Message<Payload>[], context: HandlerContext) => unknown;

interface ConsumerOptions extends CallOptions {
  queue: string;
  /**
   * Handlers that run at once, a number or bounds: within those it follows backlog and handler time. Default 10; for
   * batches 1.
   */
  concurrency?: number | { min: number; max: number };
  /** Seconds of a lease, extended at a third of it. Default: the queue's at the start. */
  visibilityTimeout?: number | undefined;
  /** Seconds one long poll waits, above 0 to 30. Default 20. */
  waitTime?: number | undefined;
  /** Default: 'default'. */
  consumerGroup?: string | undefined;
  /** Names this consumer, a member of its group; no two that run may share it. Default: a new one. */
  consumerId?: string | undefined;
  /**
   * What the handler returns, any JSON value, is kept by the server as the message's result. Default false. A value that
   * can't be kept is told to `onError`, and the message is acked.
   */
  keepResults?: boolean | undefined;
  /** Told of what failed: of a message, or (undefined) of the consumer itself. Default: to the console. */
  onError?: (error: unknown, message: Message | undefined) => unknown;
  /** Told of every delivery. */
  onHandled?: (event: Handled) => unknown;
  /** Aborted, the consumer stops as with `stop()`. */
  signal?: AbortSignal | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: as in Message.
export interface ConsumeOptions<Payload = any> extends ConsumerOptions {
  /** The message is acked when it returns, and nacked with the error's text when it throws; see also `Retry`, `Reject`
   * and `Limited`. Its lease is extended while the handler runs. */
  handler: Handler<Payload>;
  batchSize?: undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: as in Message.
export interface BatchConsumeOptions<Payload = any> extends ConsumerOptions {
  handler: BatchHandler<Payload>;
  /** Messages of a batch at most: the handler gets an array of them, never empty. */
  batchSize: number;
  /** Seconds to wait for a batch to fill after its first message, 0 to 30. Default 0: what is there. */
  batchWait?: number | undefined;
}

/** A declared consumer, its options checked and complete. */
export interface Registration {
  queue: string;
  handler: (given: never, context: HandlerContext) => unknown;
  concurrency: { min: number; max: number };
  visibilityTimeout: number | undefined;
  waitTime: number;
  group: string;
  consumerId: string | undefined;
  keepResults: boolean;
  onError: ConsumerOptions['onError'];
  onHandled: ConsumerOptions['onHandled'];
  /** undefined: the handler gets one message, not an array. */
  batchSize: number | undefined;
  batchWait: number;
}

const CONSUME_NAMES = [
  'queue',
  'handler',
  'concurrency',
  'batchSize',
  'batchWait',
  'waitTime',
  'visibilityTimeout',
  'consumerGroup',
  'consumerId',
  'keepResults',
  'onError',
  'onHandled',
  'signal',
];

/** Throws TypeError and RangeError for options that can't be. */
export function registrationOf(options: ConsumeOptions | BatchConsumeOptions): Registration {
  const { queue, handler, batchSize, concurrency = batchSize === undefined ? 10 : 1, waitTime = 20 } = options;
  const { visibilityTimeout, consumerGroup = 'default', consumerId, keepResults = false, onError, onHandled } = options;
  const batchWait = 'batchWait' in options ? (options.batchWait ?? 0) : 0;
  checkNames(options, CONSUME_NAMES, 'consume');
  if (typeof queue !== 'string' || queue === '') throw new TypeError('name the queue to consume');
  if (typeof handler !== 'function') throw new TypeError('a handler is a function');
  const bounds = typeof concurrency === 'number' ? { min: concurrency, max: concurrency } : concurrency;
  checkRange('concurrency', bounds.min, 1, typeof concurrency === 'number' ? Number.MAX_SAFE_INTEGER : bounds.max);
  if (batchSize !== undefined) checkRange('batchSize', batchSize, 1, Number.MAX_SAFE_INTEGER);
  checkRange('waitTime', waitTime, 0.001, LIMITS.waitTimeMsMax / 1000);
  checkRange('batchWait', batchWait, 0, LIMITS.waitTimeMsMax / 1000);
  const group = consumerGroup;
  const hooks = { onError, onHandled };
  const times = { visibilityTimeout, waitTime, batchWait };
  return { queue, handler, concurrency: bounds, ...times, group, consumerId, keepResults, ...hooks, batchSize };
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) throw new RangeError(`${name} is ${value}; it must be ${least} to ${most}`);
}
