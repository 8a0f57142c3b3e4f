/**
 * What the SDK hands out: plain, typed values, made from the server's JSON.
 *
 * Instants are Dates, durations are seconds. What the server leaves out is undefined. Fields a newer server adds are left
 * out. Must not know how the JSON came.
 */

import type { Backoff, QueueConfig } from './config.js';
import { configOf } from './config.js';
import { ApiError } from './errors.js';
import type { DeathReason, LimitedBy, NackState, ReasonCode, ReleaseState, Stage, State } from './spec.js';
import type { Json } from './wire.js';

/** How many messages of a queue are in each state, at the moment of the answer. */
export interface QueueCounts {
  ready: number;
  /** Behind an earlier message of their ordering key. */
  blocked: number;
  delayed: number;
  leased: number;
  dead: number;
}

/** A queue. */
export interface QueueInfo {
  name: string;
  config: QueueConfig;
  createdAt: Date;
  counts: QueueCounts;
  /** What of it is paused. */
  paused: { enqueue: boolean; receive: boolean };
  /** Seconds for which the message has been ready that has been for the longest. Undefined: none is ready. */
  oldestReadyAge: number | undefined;
}

export function queueOf(json: Json): QueueInfo {
  return {
    name: json.name,
    config: configOf(json.config),
    createdAt: instant(json.createdAt),
    counts: countsOf(json.counts),
    paused: { enqueue: json.paused?.enqueue ?? false, receive: json.paused?.receive ?? false },
    oldestReadyAge: json.oldestReadyAge ?? undefined,
  };
}

export function countsOf(json: Json): QueueCounts {
  const { ready = 0, blocked = 0, delayed = 0, leased = 0, dead = 0 } = json ?? {};
  return { ready, blocked, delayed, leased, dead };
}

/** An accepted message: it is durable. */
export interface EnqueueResult {
  id: string;
  /**
   * True: nothing was stored now, `id` is the message accepted earlier under this dedup id (it may be one this very call
   * stored, when its first answer was lost and the client repeated it).
   */
  duplicate: boolean;
  /** Of a duplicate the state of that earlier message now: 'done' also when it is gone. */
  state: Stage | undefined;
  /** Of a duplicate: what was kept with the ack of that earlier message. */
  // biome-ignore lint/suspicious/noExplicitAny: any JSON value.
  result: any;
  /** A result is kept; it may be null. */
  hasResult: boolean;
}

export function enqueueResultOf(json: Json): EnqueueResult {
  const { id, duplicate, state, result } = json;
  return { id, duplicate, state, result, hasResult: result !== undefined };
}

/** What became of one entry of a batch: it was accepted, or has an `error`. */
export type EntryResult = (EnqueueResult & { error: undefined }) | { id: undefined; error: ApiError };

/** The results of a batch, in order. */
export function entryResults(json: Json): EntryResult[] {
  return (json.results ?? []).map((result: Json) =>
    result.error === undefined
      ? { ...enqueueResultOf(result), error: undefined }
      : { id: undefined, error: entryError(result.error) },
  );
}

/** The error of one entry of a batch. */
export function entryError(json: Json): ApiError {
  return new ApiError(json.code ?? '', json.detail ?? '', { retryAfter: json.retryAfter });
}

/** Why a message could not be delivered, and where it came from. */
export interface DeadLetter {
  /** 'leaseEnded': its last attempt was a lease that ended. */
  reason: DeathReason;
  /** The last error's text. */
  error: string | undefined;
  sourceQueue: string;
  sourceId: string;
  /** The consumer group it died in. */
  sourceGroup: string;
  deliveries: number;
  attempts: number;
  /** Undefined: it never failed (it expired). */
  firstFailureAt: Date | undefined;
  lastFailureAt: Date | undefined;
  /** How often it was redriven since it died first. */
  redrives: number;
}

/** What a message carries, wherever it is. `Payload` is what you know of it: nothing checks it. */
// biome-ignore lint/suspicious/noExplicitAny: any JSON value, of a shape that only its sender knows.
export interface MessageFields<Payload = any> {
  id: string;
  queue: string;
  /** The JSON value that was enqueued. */
  payload: Payload;
  metadata: Record<string, unknown>;
  /** 0 to 255, higher is sooner. */
  priority: number;
  /** How often it was handed out, this time included. */
  deliveries: number;
  /** Deliveries before this one that failed. */
  attempts: number;
  enqueuedAt: Date;
  expiresAt: Date | undefined;
  dedupId: string | undefined;
  orderingKey: string | undefined;
  fairnessKey: string | undefined;
  /** The W3C trace context that was given with the enqueue. */
  traceparent: string | undefined;
  /** What the last failed attempt left, if any did. Of a dead message, `deadLetter` tells. */
  lastError: string | undefined;
  /** Undefined: it has not failed since it is here, or is dead. */
  firstFailureAt: Date | undefined;
  lastFailureAt: Date | undefined;
  /** Present when this is a dead letter. */
  deadLetter: DeadLetter | undefined;
}

function fieldsOf(json: Json): MessageFields {
  const { id, queue, payload, metadata, priority, deliveries, attempts } = json;
  const { dedupId, orderingKey, fairnessKey, traceparent, lastError, deadLetter } = json;
  return {
    id,
    queue,
    payload,
    metadata,
    priority,
    deliveries,
    attempts,
    enqueuedAt: instant(json.enqueuedAt),
    expiresAt: maybeInstant(json.expiresAt),
    dedupId,
    orderingKey,
    fairnessKey,
    traceparent,
    lastError,
    firstFailureAt: maybeInstant(json.firstFailureAt),
    lastFailureAt: maybeInstant(json.lastFailureAt),
    deadLetter: deadLetter === undefined ? undefined : deadLetterOf(deadLetter),
  };
}

function deadLetterOf(json: Json): DeadLetter {
  const { reason, error, sourceQueue, sourceId, sourceGroup = 'default', deliveries, attempts, redrives = 0 } = json;
  const firstFailureAt = maybeInstant(json.firstFailureAt);
  const lastFailureAt = maybeInstant(json.lastFailureAt);
  const source = { sourceQueue, sourceId, sourceGroup };
  return { reason, error, ...source, deliveries, attempts, firstFailureAt, lastFailureAt, redrives };
}

/** A message handed to you: yours until `leasedUntil`, or until you ack or nack it. */
// biome-ignore lint/suspicious/noExplicitAny: as in MessageFields.
export interface Message<Payload = any> extends MessageFields<Payload> {
  /** Proof of this lease; opaque. */
  receipt: string;
  /** The lease's end as given by the receive. */
  leasedUntil: Date;
}

export function messageOf(json: Json): Message {
  return { ...fieldsOf(json), receipt: json.receipt, leasedUntil: instant(json.leasedUntil) };
}

/** The messages of one receive. */
// biome-ignore lint/suspicious/noExplicitAny: as in MessageFields.
export interface Received<Payload = any> {
  messages: Message<Payload>[];
  /** What held others back, when something did. 'keyAssigned': the ordering keys of all that is ready stick to others. */
  limitedBy: LimitedBy | undefined;
  /** In how many seconds a receive can succeed, where that is a matter of time. */
  retryAfter: number | undefined;
}

export function receivedOf(json: Json): Received {
  return { messages: json.messages.map(messageOf), limitedBy: json.limitedBy, retryAfter: json.retryAfter };
}

/** A message as seen from outside; looking leases nothing. */
// biome-ignore lint/suspicious/noExplicitAny: as in MessageFields.
export interface MessageView<Payload = any> extends MessageFields<Payload> {
  state: State;
  /** Ready, blocked: since when. Delayed: due when. Leased: until when. Dead: since when. */
  at: Date | undefined;
  /** Its own, in place of its queue's, if it has any; so is `backoff`. They rest while it is a dead letter. */
  maxRetries: number | undefined;
  backoff: Backoff | undefined;
  /**
   * Its state in each consumer group, where there are further ones; the other fields are those of the first group that
   * holds it still.
   */
  groups: Record<string, Stage>;
}

export function viewOf(json: Json): MessageView {
  const at = { ready: 'readyAt', blocked: 'readyAt', delayed: 'dueAt', leased: 'leasedUntil', dead: 'deadAt' };
  const state: State = json.state;
  const { maxRetries, backoff, groups = {} } = json;
  return { ...fieldsOf(json), state, at: maybeInstant(json[at[state]]), maxRetries, backoff, groups };
}

/** A message that was acked with a result, while that is kept. Nothing else of it is. */
export interface DoneMessage {
  id: string;
  queue: string;
  state: 'done';
  doneAt: Date;
  /** The JSON value that was given with the ack. */
  // biome-ignore lint/suspicious/noExplicitAny: any JSON value.
  result: any;
  resultExpiresAt: Date;
}

export function doneOf(json: Json): DoneMessage {
  const { id, queue, result } = json;
  const doneAt = instant(json.doneAt);
  return { id, queue, state: 'done', doneAt, result, resultExpiresAt: instant(json.resultExpiresAt) };
}

/** One page of messages. */
// biome-ignore lint/suspicious/noExplicitAny: as in MessageFields.
export interface Peeked<Payload = any> {
  messages: MessageView<Payload>[];
  /** Where the next page begins (`after`); undefined when there is none. */
  next: string | undefined;
}

/** The message is done. */
export interface AckResult {
  /** An earlier ack of the same lease had done it. */
  already: boolean;
  /** The messages enqueued with it, in order; also when `already`, as long as the server remembers them. */
  enqueued: EnqueueResult[];
}

export function ackResultOf(json: Json): AckResult {
  return { already: json.already, enqueued: (json.enqueued ?? []).map(enqueueResultOf) };
}

/** Where a released message went. */
export interface ReleaseResult {
  /** 'settled': an earlier release or nack of the same lease had done it. */
  state: ReleaseState;
  /** When it may be delivered again, if that is not now. */
  dueAt: Date | undefined;
  /** Its id in the dead-letter queue, when its time to live was over. */
  deadLetterId: string | undefined;
}

export function releaseResultOf(json: Json): ReleaseResult {
  return { state: json.state, dueAt: maybeInstant(json.dueAt), deadLetterId: json.deadLetterId };
}

/** Where a nacked message went. */
export interface NackResult {
  /** 'settled': an earlier nack of the same lease had done it. */
  state: NackState;
  /** When it may be delivered again. */
  dueAt: Date | undefined;
  /** Its id in the dead-letter queue. */
  deadLetterId: string | undefined;
}

export function nackResultOf(json: Json): NackResult {
  return { state: json.state, dueAt: maybeInstant(json.dueAt), deadLetterId: json.deadLetterId };
}

/** One thing that stands in a message's way. What a reason does not have is undefined. */
export interface Reason {
  code: ReasonCode;
  /** A sentence for people. */
  detail: string;
  /** Of 'delayed' and 'leased': until when. */
  until: Date | undefined;
  /** Of a limit: seconds until the next message may go. */
  retryAfter: number | undefined;
  /** Of 'ordering_key': the id of the message that has to be done first. */
  behind: string | undefined;
  /** Of 'key_assigned': the consumer its ordering key sticks to, the only one that gets it. */
  member: string | undefined;
  /** Of 'leased': the id of the consumer that holds it, if it gave one. */
  consumer: string | undefined;
  /** Of 'behind': how many messages go first; undefined for more than 1000. */
  ahead: number | undefined;
  /** Of 'done': when it was acked, and until when its result is kept; undefined when the group left none that is kept. */
  doneAt: Date | undefined;
  resultExpiresAt: Date | undefined;
}

/** All that keeps a message from being delivered to the next receive. */
export interface Explanation {
  id: string;
  queue: string;
  /** The consumer group this is about. */
  group: string;
  state: Stage;
  /** Nothing but messages ahead of it: a receive that takes enough gets it now. */
  deliverable: boolean;
  reasons: Reason[];
}

export function explanationOf(json: Json): Explanation {
  const { id, queue, group = 'default', state, deliverable } = json;
  return { id, queue, group, state, deliverable, reasons: json.reasons.map(reasonOf) };
}

function reasonOf(json: Json): Reason {
  const { code, detail, retryAfter, behind, member, consumer } = json;
  const ahead = typeof json.ahead === 'number' ? json.ahead : undefined;
  const [until, doneAt] = [maybeInstant(json.until), maybeInstant(json.doneAt)];
  const resultExpiresAt = maybeInstant(json.resultExpiresAt);
  return { code, detail, until, retryAfter, behind, member, consumer, ahead, doneAt, resultExpiresAt };
}

/** An RFC 3339 instant. */
export function instant(text: string): Date {
  return new Date(text);
}

export function maybeInstant(text: string | null | undefined): Date | undefined {
  return typeof text === 'string' ? new Date(text) : undefined;
}
