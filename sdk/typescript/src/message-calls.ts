/** Messages: enqueued, looked at, changed, cancelled, by whoever holds no lease of them. */

import type { CallOptions } from './calls.js';
import { Entry } from './coalescer.js';
import type { Backoff } from './config.js';
import { ApiError, copyOf, Interrupted, QueuesError } from './errors.js';
import {
  type DoneMessage,
  doneOf,
  type EnqueueResult,
  type EntryResult,
  type Explanation,
  entryResults,
  explanationOf,
  type MessageView,
  type Peeked,
  viewOf,
} from './models.js';
import { QueueCalls } from './queue-calls.js';
import type { DeathReason, DedupUntil, State } from './spec.js';
import { encodeMessage, encodeSome, join, messageTarget, nothingElse, queueTarget } from './wire.js';

/** A message to enqueue. */
export interface NewMessage {
  /** Any JSON value; not bytes. A number that is none becomes null. */
  payload: unknown;
  /** 0 to 255, higher is sooner. Default 1. */
  priority?: number | undefined;
  /** Seconds before it may be delivered. Default: the queue's. */
  delay?: number | undefined;
  /**
   * One message per id and dedup window; also makes the call safe to repeat. A duplicate gets the first one's id, its
   * state, and its result, if one is kept.
   */
  dedupId?: string | undefined;
  /** How long the id is held: for the queue's `dedupWindow`, or until that message is done. Default 'window'. */
  dedupUntil?: DedupUntil | undefined;
  /** Messages of one key are delivered in order, one at a time. */
  orderingKey?: string | undefined;
  /** Keys of one priority take turns. */
  fairnessKey?: string | undefined;
  /** A JSON object kept beside the payload. */
  metadata?: Record<string, unknown> | undefined;
  /** Seconds after which it is a dead letter. Default: the queue's. */
  ttl?: number | undefined;
  /** Deliveries that may follow a failed first one. Default: the queue's. */
  maxRetries?: number | undefined;
  /** The delay after a failed attempt; what is left out is as in a new queue. Default: the queue's. */
  backoff?: Partial<Backoff> | undefined;
  /** The W3C trace context this is part of; the handler finds it in the message. */
  traceparent?: string | undefined;
}

export interface EnqueueOptions extends NewMessage, CallOptions {
  queue: string;
}

export interface EnqueueBatchOptions extends CallOptions {
  queue: string;
  /** When `atomic`, up to the server's MAX_BATCH_SIZE (default 100). */
  messages: Iterable<NewMessage>;
  /** All or nothing. Default false. */
  atomic?: boolean | undefined;
}

export interface PeekOptions extends CallOptions {
  queue: string;
  /** Default 'ready'. */
  state?: State | undefined;
  /** Only those of this key; not with state 'dead'. */
  orderingKey?: string | undefined;
  /** Only those of this key. */
  fairnessKey?: string | undefined;
  /** Only those that died of this, here or where a dead letter came from. */
  reason?: DeathReason | undefined;
  /** At most so many, 1 to 1000. Default 10. */
  limit?: number | undefined;
  /** Begin after this id: the `next` of the page before. */
  after?: string | undefined;
}

export interface ExplainOptions extends CallOptions {
  /** Default: the first that holds the message, 'default' before others. */
  consumerGroup?: string | undefined;
  /** Default: whoever asks, or the member that the message's ordering key sticks to. */
  consumerId?: string | undefined;
}

export interface UpdateMessageOptions extends CallOptions {
  /** Seconds from now until it may be delivered, 0: now. */
  delay?: number | undefined;
  /** 0 to 255. */
  priority?: number | undefined;
}

/** The part of a client that puts messages in, and looks after those that wait. */
export class MessageCalls extends QueueCalls {
  /**
   * Stores one message; when this resolves, it is durable. Concurrent calls share requests.
   *
   * Throws `queue_not_found`, `queue_paused`, `queue_full`, `dedup_memory_full`, `dedup_conflict` (the id was used with
   * another payload), `payload_too_large`, `request_invalid`, and OutcomeUnknown (no dedupId, and the answer was lost).
   */
  async enqueue({ queue, signal, ...message }: EnqueueOptions): Promise<EnqueueResult> {
    const body = encodeMessage(this.traced(message));
    return this.enqueued(queue, new Entry<EnqueueResult>(body, message.dedupId !== undefined, '', signal));
  }

  /**
   * Stores several messages, each with its own result, in order: one request for each `batchEntriesMax` of the client, one
   * after the other; of fewer, once the server has refused so many. Throws what `enqueue` throws, for a request as a whole;
   * an entry that is refused has an `error` instead. The `results` of what is thrown are those of the requests before;
   * nothing is sent after it. So are those of Interrupted, when it is aborted. With `atomic` it is one request, and throws
   * `batch_aborted`, whose `results` say why, when one entry is refused.
   */
  async enqueueBatch({
    queue,
    messages,
    atomic = false,
    signal,
    ...others
  }: EnqueueBatchOptions): Promise<EntryResult[]> {
    nothingElse(others, 'enqueueBatch');
    const given = [...messages];
    const entries = given.map((message) => encodeMessage(this.traced(message)));
    const target = queueTarget(queue, '/messages/batch');
    const results: EntryResult[] = [];
    let first = 0;
    do {
      const size = atomic ? given.length : this.batchEntriesMax;
      const part = given.slice(first, first + size);
      const body = `{"messages":${join(entries.slice(first, first + size))}${atomic ? ',"atomic":true' : ''}}`;
      const safe = part.every((message) => message.dedupId !== undefined);
      const outcome = signal?.aborted ? 'none' : 'unknown';
      try {
        results.push(
          ...entryResults(await this.call({ method: 'POST', target, body, safe, messages: part.length, signal })),
        );
        first += part.length;
      } catch (error) {
        if (!atomic && part.length > 1 && error instanceof ApiError && error.code === 'batch_too_large') {
          this.batchLimit.refused(part.length);
          continue;
        }
        const aborted = signal?.aborted && error === signal.reason;
        const thrown = aborted ? new Interrupted('it was aborted', { outcome, cause: error }) : error;
        throw atomic || !(thrown instanceof QueuesError) ? thrown : Object.assign(copyOf(thrown), { results });
      }
    } while (first < given.length);
    return results;
  }

  /** The message, part of the trace that runs now. */
  protected traced<M extends NewMessage>(message: M): M {
    const traceparent = message.traceparent ?? this.traceparent();
    return traceparent === undefined ? message : { ...message, traceparent };
  }

  /**
   * A message by id, leased to nobody by looking; a `DoneMessage` (its `state` is 'done') when it was acked with a result
   * that is kept. Throws `message_not_found`: also for one that is done and left no result.
   */
  async getMessage(messageId: string, { signal, ...others }: CallOptions = {}): Promise<MessageView | DoneMessage> {
    nothingElse(others, 'getMessage');
    const json = await this.call({ method: 'GET', target: messageTarget(messageId), safe: true, signal });
    return json.state === 'done' ? doneOf(json) : viewOf(json);
  }

  /**
   * Looks at a queue's messages in one state; leases nothing. Where filters let few through, a page can be short or empty
   * and not the last: `next` tells. Throws `queue_not_found`, `request_invalid`.
   */
  async peek({ queue, signal, state, orderingKey, fairnessKey, reason, ...others }: PeekOptions): Promise<Peeked> {
    const { limit, after, ...unknown } = others;
    nothingElse(unknown, 'peek');
    const target = queueTarget(queue, '/peek', { state, orderingKey, fairnessKey, reason, limit, after });
    const json = await this.call({ method: 'GET', target, safe: true, signal });
    return { messages: json.messages.map(viewOf), next: json.next ?? undefined };
  }

  /**
   * Says why a message is not being delivered now: all that stands in its way. One that is done says so ('done') while its
   * result is kept, or another group holds it still. Throws `message_not_found`, `group_not_found`.
   */
  async explain(messageId: string, options: ExplainOptions = {}): Promise<Explanation> {
    const { consumerGroup, consumerId, signal, ...others } = options;
    nothingElse(others, 'explain');
    const target = messageTarget(messageId, '/explain', { consumerGroup, consumerId });
    return explanationOf(await this.call({ method: 'GET', target, safe: true, signal }));
  }

  /**
   * Changes a message that nobody holds, and returns it as it is now. Messages of one ordering key stay in order. Safe to
   * repeat, though a delay counts from the last time. Throws `message_not_found`, `message_leased` (a consumer holds it:
   * wait for the lease to end), `message_dead` (redrive it instead), `request_invalid` (nothing to change).
   */
  async updateMessage(messageId: string, options: UpdateMessageOptions): Promise<MessageView> {
    const { delay, priority, signal, ...others } = options;
    nothingElse(others, 'updateMessage');
    const body = encodeSome({ delay, priority });
    return viewOf(await this.call({ method: 'PATCH', target: messageTarget(messageId), body, safe: true, signal }));
  }

  /** A delayed message may be delivered at once; see `updateMessage`. */
  async runNow(messageId: string, { signal, ...others }: CallOptions = {}): Promise<MessageView> {
    nothingElse(others, 'runNow');
    return this.updateMessage(messageId, { delay: 0, signal });
  }

  /**
   * Deletes a message that nobody holds, whatever its state; its dedup id stays taken as long as its window. Throws
   * `message_not_found`, `message_leased`. Safe to repeat: the client does, when an answer was lost.
   */
  async cancelMessage(messageId: string, { signal, ...others }: CallOptions = {}): Promise<void> {
    nothingElse(others, 'cancelMessage');
    try {
      await this.call({ method: 'DELETE', target: messageTarget(messageId), safe: true, signal });
    } catch (error) {
      // In doubt an earlier try, whose answer was lost, has done it.
      const done = error instanceof ApiError && error.code === 'message_not_found' && error.outcome === 'unknown';
      if (!done) throw error;
    }
  }
}
