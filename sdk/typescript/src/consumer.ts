/**
 * One running consumer: finds out what it must know, then polls, handles and stays a member until it is stopped.
 *
 * Puts the parts together: polling asks for messages, handlers does the work, membership keeps its place in the group,
 * scaling says how many handlers run.
 */

import type { Registration } from './consuming.js';
import { isTransient } from './errors.js';
import type { GroupCalls } from './group-calls.js';
import { Handlers } from './handlers.js';
import { Membership } from './membership.js';
import type { QueueInfo } from './models.js';
import { backOff, Polling } from './polling.js';
import { Reports } from './reports.js';
import { LOOK_SECONDS, Scale } from './scaling.js';
import { onAbort, sleep } from './waiting.js';

/** Seconds handlers may take to finish after a stop. */
export const GRACE_SECONDS = 30;

export interface StopOptions {
  /** Seconds handlers may take to finish. Then they are interrupted and their messages given back. Default 30. */
  grace?: number | undefined;
}

/** What `consume` starts. It runs until it is stopped; while the server is away it waits, and goes on when it is back. */
export class Consumer {
  /** Resolves when it has stopped. Rejects when it could not even start: no such queue, wrong key. */
  readonly done: Promise<void>;
  private readonly reports: Reports;
  private readonly membership: Membership;
  private readonly stopping = new AbortController();
  private readonly hurry = new AbortController();
  private grace = GRACE_SECONDS;
  private handlers: Handlers | undefined;

  /** @internal */
  constructor(
    private readonly client: GroupCalls,
    private readonly options: Registration,
    signal?: AbortSignal,
  ) {
    this.reports = new Reports(options);
    this.membership = new Membership(client, options, (error) => this.reports.failed(error, undefined));
    const stop = () => this.stopping.abort();
    if (signal?.aborted) stop();
    else if (signal !== undefined) onAbort(signal, stop);
    this.done = this.run().finally(() => signal?.removeEventListener('abort', stop));
    this.done.catch((error) => this.reports.failed(error, undefined)); // nobody may be waiting for it
  }

  /** Its name in the consumer group. */
  get id(): string {
    return this.membership.consumerId;
  }

  /** Handlers that run. */
  get running(): number {
    return this.handlers?.count ?? 0;
  }

  /** Handlers that may run at once. */
  get concurrency(): number {
    return this.handlers?.limit ?? this.options.concurrency.min;
  }

  /**
   * No more messages are received, and handlers may finish within `grace` seconds. Those still running are interrupted by
   * their signal and their messages given back: due at once, with no attempt counted. Resolves when all is done. A second
   * call with a shorter grace ends the wait.
   */
  async stop({ grace = GRACE_SECONDS }: StopOptions = {}): Promise<void> {
    if (!this.stopping.signal.aborted) {
      this.grace = grace;
      this.stopping.abort();
    } else {
      void sleep(grace, this.hurry.signal).then(
        () => this.hurry.abort(),
        () => {},
      );
    }
    await this.done.catch(() => {}).finally(() => this.hurry.abort());
  }

  private async run(): Promise<void> {
    await null; // the constructor returns first
    try {
      await this.poll();
    } finally {
      // Handlers first: leaving gives back whatever is still leased to this member.
      await this.handlers?.finish(this.grace, this.hurry.signal);
      await this.membership.leave();
    }
  }

  private async poll(): Promise<void> {
    const { client, options, reports, membership } = this;
    const stopping = this.stopping.signal;
    const queue = await this.findQueue();
    if (queue === undefined) return;
    // Leases are always asked for by length, so that a config changed while we run can't make them shorter than we think.
    const seconds = options.visibilityTimeout ?? queue.config.visibilityTimeout;
    const handlers = new Handlers(client, options, seconds, reports);
    this.handlers = handlers;
    const polling = new Polling(client, options, seconds, handlers, membership, reports, stopping);
    membership.start(queue.config.sessionTimeout);
    const scaling = this.scale(handlers).catch(() => {}); // ended by the stop
    await polling.run();
    if (stopping.aborted) await scaling;
  }

  private async findQueue(): Promise<QueueInfo | undefined> {
    const { signal } = this.stopping;
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        return await this.client.get(this.options.queue, { signal });
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!isTransient(error)) throw error;
        await backOff(failures, error, this.reports, signal).catch(() => {});
      }
    }
    return undefined;
  }

  /** Looks at backlog and handlers now and then, and sets how many may run. Where the server can't be asked, it stays. */
  private async scale(handlers: Handlers): Promise<void> {
    const { queue, group, concurrency } = this.options;
    if (concurrency.min === concurrency.max) return;
    const { signal } = this.stopping;
    const scale = new Scale(concurrency.min, concurrency.max);
    for (;;) {
      await sleep(LOOK_SECONDS, signal);
      const asked = await this.client.getGroup(queue, group, { signal }).catch(() => undefined);
      if (asked === undefined) continue;
      const waiting = asked.counts.ready / Math.max(1, asked.members.length); // shared by the members of the group
      handlers.resize(scale.next(handlers.look(waiting)));
    }
  }
}
