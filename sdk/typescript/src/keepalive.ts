/**
 * Keeps the leases of running handlers alive: each is extended when a third of it has passed.
 *
 * One timer for all: leases have one length, so the order in which they are due is the order of insertion, and a handler
 * that returns quickly costs two map operations. Must not know what an extension is; `extend` does, and it says with
 * `lease_lost`, `message_not_found` or `queue_not_found` that the lease is gone.
 */

import { ApiError } from './errors.js';

export interface Keeping<D> {
  /** Extends one lease. */
  extend: (delivery: D) => Promise<unknown>;
  /** Told once that a lease is gone. */
  onLost: (delivery: D) => void;
  /** Told that an extension failed otherwise; it is tried again. */
  onError: (error: unknown, delivery: D) => void;
}

/** What says of a settlement or an extension that the lease is gone: with its queue, too. */
const GONE = ['lease_lost', 'message_not_found', 'queue_not_found'];

/** Whether an error says that the lease is gone. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof ApiError && GONE.includes(error.code);
}

/** The leases of one consumer. */
export class KeepAlive<D> {
  private readonly interval: number;
  private readonly due = new Map<D, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    visibilityTimeout: number,
    private readonly keeping: Keeping<D>,
  ) {
    this.interval = (visibilityTimeout / 3) * 1000;
  }

  /** The lease begins now. */
  track(delivery: D): void {
    this.due.set(delivery, performance.now() + this.interval);
    if (this.timer === undefined) this.arm();
  }

  /** The handler ended. */
  forget(delivery: D): void {
    this.due.delete(delivery);
  }

  close(): void {
    this.due.clear();
    clearTimeout(this.timer);
  }

  private arm(): void {
    const first = this.due.values().next();
    this.timer = first.done ? undefined : setTimeout(() => this.fire(), Math.max(0, first.value - performance.now()));
  }

  private fire(): void {
    const now = performance.now();
    for (const [delivery, due] of this.due) {
      if (due > now) break;
      this.due.delete(delivery);
      this.due.set(delivery, now + this.interval);
      void this.renew(delivery);
    }
    this.arm();
  }

  private async renew(delivery: D): Promise<void> {
    try {
      await this.keeping.extend(delivery);
    } catch (error) {
      if (!this.due.has(delivery)) return; // the handler ended meanwhile
      if (!isLeaseLost(error)) this.keeping.onError(error, delivery);
      else if (this.due.delete(delivery)) this.keeping.onLost(delivery);
    }
  }
}
