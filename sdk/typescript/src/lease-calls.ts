/** Leases: received, then acked, nacked, released or extended by whoever holds them. */

import type { CallOptions } from './calls.js';
import { Entry } from './coalescer.js';
import { QueuesError } from './errors.js';
import type { Lease } from './leases.js';
import { MessageCalls, type NewMessage } from './message-calls.js';
import {
  type AckResult,
  ackResultOf,
  type NackResult,
  type Received,
  type ReleaseResult,
  receivedOf,
} from './models.js';
import { newId } from './platform.js';
import type { RetryPolicy } from './retry.js';
import {
  encode,
  encodeFollowUp,
  encodeSome,
  join,
  messageTarget,
  millisecondsKept,
  nothingElse,
  queueTarget,
} from './wire.js';

export interface ReceiveOptions extends CallOptions {
  queue: string;
  /** 1 to the server's MAX_BATCH_SIZE. Default 1. */
  maxMessages?: number | undefined;
  /** Seconds to wait for a first message, 0 to 30. Default 0. */
  waitTime?: number | undefined;
  /** Seconds each is yours. Default: the queue's. */
  visibilityTimeout?: number | undefined;
  /** Default: 'default'. */
  consumerGroup?: string | undefined;
  /** Names this consumer, where members matter. */
  consumerId?: string | undefined;
}

/** A message to enqueue with an ack, and where to. */
export interface FollowUp extends NewMessage {
  queue: string;
}

export interface AckOptions extends CallOptions {
  /** Any JSON value, kept for the queue's `resultRetention`. undefined: none. */
  result?: unknown | undefined;
  /** Messages to enqueue in the same step. */
  enqueue?: Iterable<FollowUp> | undefined;
}

export interface NackOptions extends CallOptions {
  /** Seconds before the next delivery. Default: the queue's backoff. */
  delay?: number | undefined;
  /** 0 to 255. Default: the same. */
  priority?: number | undefined;
  /** Why, kept with a dead letter; up to 8192 bytes. */
  error?: string | undefined;
  /** It can never succeed: a dead letter at once. */
  reject?: boolean | undefined;
}

export interface ReleaseOptions extends CallOptions {
  /** Seconds before the next delivery. Default 0. */
  delay?: number | undefined;
}

export interface ExtendOptions extends CallOptions {
  /** Seconds from now. Default: the queue's. */
  visibilityTimeout?: number | undefined;
}

/** @internal What a consumer's poll adds: repeated under the same attempt id, the server gives the same leases. */
export interface Attempt {
  policy?: RetryPolicy;
  attemptId?: string;
}

/** The part of a client that takes messages out, and tells how that went. */
export class LeaseCalls extends MessageCalls {
  /**
   * Leases up to `maxMessages` messages; an empty answer says why when a limit kept it empty. Should the answer be lost,
   * the client asks again and gets the same leases. Throws `queue_not_found`, `group_not_found`, `request_invalid`.
   */
  async receive(options: ReceiveOptions): Promise<Received> {
    return this.receiveAs(options, {});
  }

  /** @internal */
  async receiveAs(options: ReceiveOptions, { policy, attemptId = newId() }: Attempt): Promise<Received> {
    const { queue, maxMessages = 1, waitTime = 0, visibilityTimeout, consumerGroup, ...rest } = options;
    const { consumerId, signal, ...others } = rest;
    nothingElse(others, 'receive');
    const target = queueTarget(queue, '/messages', {
      maxMessages,
      waitTime: millisecondsKept(waitTime) || undefined,
      visibilityTimeout: visibilityTimeout === undefined ? undefined : millisecondsKept(visibilityTimeout),
      consumerGroup,
      consumerId,
      attemptId,
    });
    const waiting = { method: 'GET', target, safe: true, wait: waitTime, signal } as const;
    const received = receivedOf(await this.call(policy === undefined ? waiting : { ...waiting, policy }));
    this.leases.remember(received.messages);
    return received;
  }

  /**
   * The message is done and gone. Takes a received message, or the id of one this client received.
   *
   * With `enqueue`, messages are enqueued in the same step: either they are all stored and the message is acked, or
   * nothing changes. Repeating it is harmless: `already` says so, and nothing is enqueued again. Throws
   * `lease_lost`, ReceiptUnknown, `batch_aborted` (a message to enqueue was refused: `results` say why, and the message is
   * still yours), `payload_too_large`.
   */
  async ack(message: Lease | string, options: AckOptions = {}): Promise<AckResult> {
    const { result, enqueue = [], signal, ...others } = options;
    nothingElse(others, 'ack');
    const lease = this.leases.find(message);
    const followUps = [...enqueue].map((one) => encodeFollowUp(this.traced(one)));
    if (result === undefined && followUps.length === 0) {
      return this.settled(lease.queue, this.ending<AckResult>(lease, 'acks', {}, signal));
    }
    const acked = await this.ackAlone(lease, result, followUps, signal);
    this.leases.forget(lease);
    return acked;
  }

  /**
   * Acks several messages, in requests they share. Takes what `ack` takes; resolves to the error of each, in order:
   * undefined when it is done. What an `ack` throws of the API is in that list; the others are acked all the same.
   */
  async ackAll(
    messages: Iterable<Lease | string>,
    { signal, ...others }: CallOptions = {},
  ): Promise<(QueuesError | undefined)[]> {
    nothingElse(others, 'ackAll');
    const leases = Array.from(messages, (message) => orError(() => this.leases.find(message)));
    const errorOf = async (lease: Lease | QueuesError) => {
      if (lease instanceof QueuesError) return lease;
      try {
        await this.ack(lease, { signal });
        return undefined;
      } catch (error) {
        return asError(error);
      }
    };
    return Promise.all(leases.map(errorOf));
  }

  private async ackAlone(
    lease: Lease,
    result: unknown,
    followUps: string[],
    signal: CallOptions['signal'],
  ): Promise<AckResult> {
    const fields = [`"receipt":${encode(lease.receipt)}`];
    if (result !== undefined) fields.push(`"result":${encode(result)}`);
    if (followUps.length > 0) fields.push(`"enqueue":${join(followUps)}`);
    const target = messageTarget(lease.id, '/ack');
    const body = `{${fields.join(',')}}`;
    return ackResultOf(await this.call({ method: 'POST', target, body, safe: true, messages: 1, signal }));
  }

  /**
   * This delivery failed: the message is delivered again, or is a dead letter after its last retry. Repeating it is
   * harmless. Throws `lease_lost`, ReceiptUnknown.
   */
  async nack(message: Lease | string, options: NackOptions = {}): Promise<NackResult> {
    const { delay, priority, error, reject, signal, ...others } = options;
    nothingElse(others, 'nack');
    const lease = this.leases.find(message);
    const fields = { delay, priority, error, reject: reject || undefined };
    return this.settled(lease.queue, this.ending<NackResult>(lease, 'nacks', fields, signal));
  }

  /**
   * Gives the message back: it is delivered again after `delay` seconds, to anybody, and no failed attempt is counted. For
   * what is not the message's fault: a limit elsewhere, a program that stops. Repeating it is harmless. Throws
   * `lease_lost`, ReceiptUnknown.
   */
  async release(message: Lease | string, { delay, signal, ...others }: ReleaseOptions = {}): Promise<ReleaseResult> {
    nothingElse(others, 'release');
    const lease = this.leases.find(message);
    return this.settled(lease.queue, this.ending<ReleaseResult>(lease, 'releases', { delay }, signal));
  }

  /** What ends a lease: it is forgotten when the server has carried that out, whoever still waits to hear of it. */
  private ending<R>(
    lease: Lease,
    kind: string,
    fields: Record<string, unknown>,
    signal: CallOptions['signal'],
  ): Entry<R> {
    return new Entry<R>(leaseFields(lease, fields), true, kind, signal, () => this.leases.forget(lease));
  }

  /** The lease lasts `visibilityTimeout` seconds from now; returns its new end. Throws `lease_lost`, ReceiptUnknown. */
  async extend(message: Lease | string, { visibilityTimeout, signal, ...others }: ExtendOptions = {}): Promise<Date> {
    nothingElse(others, 'extend');
    const lease = this.leases.find(message);
    const entry = new Entry<Date>(leaseFields(lease, { visibilityTimeout }), true, 'extends', signal);
    return this.settled(lease.queue, entry);
  }
}

function leaseFields({ id, receipt }: Lease, fields: Record<string, unknown> = {}): string {
  return encodeSome({ id, receipt, ...fields });
}

function orError<T>(get: () => T): T | QueuesError {
  try {
    return get();
  } catch (error) {
    return asError(error);
  }
}

/** The error, if it is of the API. Throws any other. */
function asError(error: unknown): QueuesError {
  if (error instanceof QueuesError) return error;
  throw error;
}
