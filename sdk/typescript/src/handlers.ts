/**
 * The handlers of one consumer: called with what was received, their leases kept, their ends told to the server.
 *
 * The invariant: a message's lease is kept from `hold` until its handler ended, and the call that has it is in `unsettled`
 * until the server was told. Must not know how messages are received.
 */

import type { Handled, Registration } from './consuming.js';
import { Delivery, type Ended, Handling, type Outcome, settle } from './delivery.js';
import { isTransient } from './errors.js';
import { KeepAlive } from './keepalive.js';
import type { LeaseCalls } from './lease-calls.js';
import type { Message } from './models.js';
import type { Reports } from './reports.js';
import { RetryPolicy } from './retry.js';
import type { Seen } from './scaling.js';
import { Event, sleep, within } from './waiting.js';

/** How long a stop waits for interrupted handlers and the last releases. */
const SETTLE_SECONDS = 5;

/** Runs the handler of one registration. */
export class Handlers {
  /** Set while a further call can start. */
  readonly room = new Event();
  /** Calls that may run at once. */
  limit: number;
  /** What ended since the last look: seconds that calls took, and their messages. */
  private ended = { seconds: 0, messages: 0 };
  private readonly running = new Set<Handling>();
  private readonly unsettled = new Set<Promise<void>>();
  /** Ordering keys at work here: the end of the last call of each. */
  private readonly keys = new Map<string, Promise<void>>();
  private readonly policy = new RetryPolicy();
  private readonly leases: KeepAlive<Delivery>;

  constructor(
    private readonly client: LeaseCalls,
    private readonly options: Registration,
    private readonly visibilityTimeout: number,
    private readonly reports: Reports,
  ) {
    this.limit = options.concurrency.min;
    this.leases = new KeepAlive(visibilityTimeout, {
      extend: ({ message }) => client.extend(message, { visibilityTimeout }),
      onLost: (delivery) => this.lose(delivery),
      onError: (error, { message }) => reports.failed(error, message),
    });
    this.room.set();
  }

  /** Calls that run. */
  get count(): number {
    return this.running.size;
  }

  /** A look at the work; so many messages wait for it. */
  look(waiting: number): Seen {
    const { seconds, messages } = this.ended;
    this.ended = { seconds: 0, messages: 0 };
    const inHand = [...this.running].reduce((sum, { deliveries }) => sum + deliveries.length, 0);
    return {
      backlog: waiting + inHand,
      handlerSeconds: messages > 0 ? seconds / messages : 0,
      busy: this.free <= 0,
    };
  }

  /** Calls that can start at once. */
  get free(): number {
    return this.limit - this.running.size;
  }

  /** From now on so many calls may run at once. */
  resize(limit: number): void {
    this.limit = limit;
    this.updateRoom();
  }

  private updateRoom(): void {
    if (this.free > 0) this.room.set();
    else this.room.clear();
  }

  /** The messages were received: their leases are kept from now on. */
  hold(messages: readonly Message[]): Delivery[] {
    return messages.map((message) => {
      const delivery = new Delivery(message);
      this.client.leases.watch(message);
      this.leases.track(delivery);
      return delivery;
    });
  }

  /** Calls the handler with them: once for all of a batch, else once for each. */
  start(deliveries: readonly Delivery[]): void {
    if (this.options.batchSize === undefined) for (const delivery of deliveries) this.begin(new Handling([delivery]));
    else if (deliveries.length > 0) this.begin(new Handling(deliveries));
  }

  private begin(handling: Handling): void {
    this.running.add(handling);
    this.updateRoom();
    const key = this.options.batchSize === undefined ? handling.deliveries[0]?.message.orderingKey : undefined;
    const running = this.inTurn(key, handling).finally(() => {
      this.unsettled.delete(running);
      if (key !== undefined && this.keys.get(key) === running) this.keys.delete(key);
    });
    this.unsettled.add(running);
    if (key !== undefined) this.keys.set(key, running);
  }

  /** An ordering key is at work one message at a time. The server sees to it; but when a lease was lost, its handler may
   * still run here while the next delivery arrives. */
  private async inTurn(key: string | undefined, handling: Handling): Promise<void> {
    if (key !== undefined) await this.keys.get(key);
    await this.process(handling);
  }

  private async process(handling: Handling): Promise<void> {
    const began = performance.now();
    const outcomes = await this.outcomes(handling);
    for (const delivery of handling.deliveries) this.leases.forget(delivery);
    const seconds = (performance.now() - began) / 1000;
    this.ended.seconds += seconds;
    this.ended.messages += handling.deliveries.length;
    this.running.delete(handling);
    this.updateRoom();
    // At the same time, so that they share a request.
    await Promise.all(handling.deliveries.map((delivery, at) => this.end(delivery, outcomes[at] as Outcome, seconds)));
  }

  /** Calls the handler; how that ended for each of its messages. */
  private async outcomes({ deliveries, controller }: Handling): Promise<Outcome[]> {
    const { handler, batchSize } = this.options;
    const messages = deliveries.map((delivery) => delivery.message);
    const given = batchSize === undefined ? messages[0] : messages;
    try {
      controller.signal.throwIfAborted(); // while it waited for its turn
      const returned = await handler(given as never, { signal: controller.signal });
      if (batchSize === undefined) return [this.returned(returned)];
      if (returned === undefined || returned === null) return messages.map(() => ({ result: undefined }));
      return settledResults(returned, messages.length).map((one) =>
        one.status === 'rejected' ? { thrown: one.reason } : this.returned(one.value),
      );
    } catch (thrown) {
      return messages.map(() => ({ thrown }));
    }
  }

  private returned(value: unknown): Outcome {
    return { result: this.options.keepResults ? (value ?? null) : undefined };
  }

  private async end(delivery: Delivery, outcome: Outcome, seconds: number): Promise<void> {
    const ended = await this.settle(delivery, outcome);
    const { message } = delivery;
    this.client.leases.unwatch(message);
    if (ended.error !== undefined && ended.outcome !== 'released') this.reports.failed(ended.error, message);
    const now = { running: this.running.size, concurrency: this.limit };
    const event: Handled = { message, outcome: ended.outcome, seconds, ...now, error: ended.error };
    this.reports.handled(event);
  }

  /** Goes on while the server is away and the lease, extended at a third, must still last: else work that is done would
   * be done again. */
  private async settle(delivery: Delivery, outcome: Outcome): Promise<Ended> {
    const until = performance.now() + this.visibilityTimeout * 1000 * (2 / 3);
    for (let failures = 1; ; failures++) {
      const ended = await settle(this.client, delivery, outcome);
      if (ended.outcome !== 'unsettled' || !isTransient(ended.error)) return ended;
      const wait = this.policy.backoff(failures);
      if (performance.now() + wait * 1000 > until) return ended;
      await sleep(wait);
    }
  }

  private lose(delivery: Delivery): void {
    if (this.client.leases.isSettled(delivery.message)) return;
    delivery.endedBy = 'lease_lost';
    delivery.handling?.abortIfLost();
  }

  /** Handlers may finish within `grace` seconds; the rest are interrupted and their messages given back. */
  async finish(grace: number, hurry: AbortSignal): Promise<void> {
    await within(grace, this.allSettled(), hurry);
    for (const handling of this.running) handling.stop();
    if (!(await within(SETTLE_SECONDS, this.allSettled()))) await this.giveBack();
    this.leases.close();
  }

  private async allSettled(): Promise<void> {
    while (this.unsettled.size > 0) await Promise.all(this.unsettled);
  }

  /** Handlers that do not heed their signal keep nobody waiting: whatever they return is told to nobody. */
  private async giveBack(): Promise<void> {
    const left = [...this.running].flatMap(({ deliveries }) => deliveries);
    const given = left.map(async (delivery) => {
      if (this.client.leases.isSettled(delivery.message)) return;
      delivery.endedBy = 'lease_lost';
      await this.client.release(delivery.message);
    });
    await within(SETTLE_SECONDS, Promise.allSettled(given));
  }
}

function settledResults(returned: unknown, length: number): PromiseSettledResult<unknown>[] {
  const fits = Array.isArray(returned) && returned.length === length && returned.every(isSettledResult);
  if (fits) return returned;
  throw new TypeError(
    `a batch's handler returns nothing, or what Promise.allSettled gives for its ${length} messages, in order`,
  );
}

function isSettledResult(one: unknown): boolean {
  const status = (one as PromiseSettledResult<unknown> | undefined)?.status;
  return status === 'fulfilled' || status === 'rejected';
}
