/**
 * The polls of one consumer: it asks for no more messages than it can start at once, so that none waits here while another
 * consumer is free.
 *
 * While the server is away it tries again with backoff, for ever. Whatever was received is started, also what arrives just
 * when a stop interrupts the wait. Must not know how handlers run.
 */

import type { Registration } from './consuming.js';
import type { Delivery } from './delivery.js';
import { ApiError, ClientClosed, isTransient } from './errors.js';
import type { Handlers } from './handlers.js';
import type { LeaseCalls } from './lease-calls.js';
import type { Membership } from './membership.js';
import type { Received } from './models.js';
import { newId } from './platform.js';
import type { Reports } from './reports.js';
import { RetryPolicy, retryAfterOf } from './retry.js';
import { onAbort, sleep } from './waiting.js';

const ONE_TRY = new RetryPolicy(0);
const BACKOFF = new RetryPolicy();
/** A poll younger than this at a stop may be answered at this moment: its messages are ours, and nobody else gets them
 * before their leases end. An older one waits for a message to come, and is ended at once. */
const LAST_ANSWER_SECONDS = 0.3;

/** Receives for one registration. */
export class Polling {
  private askMax: number;
  private asked = 0;
  private askedAt = 0;
  private attemptId = newId();
  private readonly ending = new AbortController();

  constructor(
    private readonly client: LeaseCalls,
    private readonly options: Registration,
    private readonly visibilityTimeout: number,
    private readonly handlers: Handlers,
    private readonly membership: Membership,
    private readonly reports: Reports,
    private readonly stopping: AbortSignal,
  ) {
    this.askMax = client.batchEntriesMax;
    onAbort(stopping, () => this.endLastPoll());
  }

  private endLastPoll(): void {
    this.handlers.room.set(); // nobody waits for it any more
    const left = LAST_ANSWER_SECONDS - (performance.now() - this.askedAt) / 1000;
    void sleep(Math.max(0, left)).then(() => this.ending.abort());
  }

  /** Until stopped. Throws what the server refuses to begin with, and ClientClosed. */
  async run(): Promise<void> {
    let failures = 0;
    let answered = false;
    const { stopping, options } = this;
    while (!stopping.aborted) {
      await this.handlers.room.wait();
      if (stopping.aborted) return;
      const began = performance.now();
      try {
        const received = await this.fill();
        answered = true;
        if (received.messages.length > 0 || performance.now() - began > options.waitTime * 500) {
          failures = 0;
        } else {
          // An early empty answer: a limit holds the queue back, or the server stops.
          failures++;
          const wait = received.retryAfter || BACKOFF.backoff(failures);
          await sleep(Math.min(wait, options.waitTime), stopping);
        }
      } catch (error) {
        if (stopping.aborted) return;
        if (isTooMany(error) && this.asked > 1) {
          this.askMax = Math.floor(this.asked / 2); // MAX_BATCH_SIZE is smaller there; else 1 is refused too
          continue;
        }
        if (error instanceof ClientClosed || !(answered || isTransient(error))) throw error;
        failures++;
        await backOff(failures, error, this.reports, stopping).catch(() => {});
      }
    }
  }

  /** Starts what one poll brings, or a batch: as much as comes within its wait, however that ends. */
  private async fill(): Promise<Received> {
    const size = this.options.batchSize ?? this.handlers.free;
    const received = await this.receive(size, this.options.waitTime);
    const held = this.handlers.hold(received.messages);
    try {
      if (held.length > 0 && this.options.batchSize !== undefined) await this.fillUp(held, size);
    } finally {
      this.handlers.start(held); // whatever ended it, what is here goes on
    }
    return received;
  }

  private async fillUp(held: Delivery[], size: number): Promise<void> {
    const until = performance.now() + this.options.batchWait * 1000;
    let full = held.length === this.asked; // more may be there at this moment than one request can ask for
    while (held.length < size && !this.stopping.aborted) {
      const left = Math.max(0, (until - performance.now()) / 1000);
      if (!full && left === 0) return;
      const { messages } = await this.receive(size - held.length, left);
      held.push(...this.handlers.hold(messages));
      full = messages.length === this.asked;
    }
  }

  private async receive(messagesMax: number, waitTime: number): Promise<Received> {
    this.asked = Math.min(messagesMax, this.askMax);
    this.askedAt = performance.now();
    const options = {
      queue: this.options.queue,
      maxMessages: this.asked,
      waitTime,
      visibilityTimeout: this.visibilityTimeout,
      consumerGroup: this.options.group === 'default' ? undefined : this.options.group,
      consumerId: this.membership.consumerId,
      signal: this.ending.signal,
    };
    const attempt = { policy: ONE_TRY, attemptId: this.attemptId };
    const received = await this.membership.poll(() => this.client.receiveAs(options, attempt));
    this.attemptId = newId(); // a poll that fails is repeated as the same one
    return received;
  }
}

function isTooMany(error: unknown): boolean {
  return error instanceof ApiError && error.code === 'request_invalid';
}

/** Tells the error, and waits: longer after each failure in a row, and not less than the server asks for. */
export async function backOff(failures: number, error: unknown, reports: Reports, signal: AbortSignal): Promise<void> {
  reports.failed(error, undefined);
  await sleep((retryAfterOf(error) ?? 0) + BACKOFF.backoff(failures), signal);
}
