/**
 * The receipts of messages this client received, so that a message can be settled by its id.
 *
 * Bounded: beyond the limit the oldest is forgotten. A lease is remembered for a while after its end, so that a late ack
 * gets the server's word (`lease_lost`) and not ours.
 */

import { ReceiptUnknown } from './errors.js';
import type { Message } from './models.js';
import { LIMITS } from './spec.js';

const LEASES_MAX = 100_000;

/** What proves a lease. A received message is one. */
export type Lease = Pick<Message, 'id' | 'queue' | 'receipt'>;

interface Remembered extends Lease {
  forgetAt: number;
}

export class Leases {
  /** In order of receipt: the oldest first. */
  private readonly leases = new Map<string, Remembered>();
  private readonly watched = new Set<string>();

  constructor(
    private readonly leasesMax = LEASES_MAX,
    private readonly now: () => number = Date.now,
  ) {}

  get size(): number {
    return this.leases.size;
  }

  /** Keeps the receipts, and forgets what is long over: no lease lasts longer than the longest visibility timeout. */
  remember(messages: readonly Lease[]): void {
    const now = this.now();
    for (const { id, queue, receipt } of messages) {
      this.leases.delete(id);
      this.leases.set(id, { id, queue, receipt, forgetAt: now + LIMITS.visibilityTimeoutMsMax });
    }
    for (const [id, { forgetAt }] of this.leases) {
      if (this.leases.size <= this.leasesMax && forgetAt > now) break;
      this.leases.delete(id);
    }
  }

  /** The lease of a message or of an id. Throws ReceiptUnknown. */
  find(message: Lease | string): Lease {
    if (typeof message !== 'string') {
      if (typeof message?.receipt === 'string') return message;
      throw new TypeError('expected a received message or its id');
    }
    const lease = this.leases.get(message);
    if (lease !== undefined) return lease;
    throw new ReceiptUnknown(
      `this client holds no lease of message '${message}': it was never received here, or is settled already. A message ` +
        'received elsewhere is settled by passing the message itself',
    );
  }

  /** Notes whether this very lease gets settled, whatever becomes of later ones; until `unwatch`. */
  watch(message: Lease): void {
    this.watched.add(message.receipt);
  }

  /** Whether this lease, which is watched, was settled through this client. */
  isSettled(message: Lease): boolean {
    return !this.watched.has(message.receipt);
  }

  unwatch(message: Lease): void {
    this.watched.delete(message.receipt);
  }

  /** The lease was settled. A later lease of the same message stays. */
  forget(lease: Lease): void {
    this.watched.delete(lease.receipt);
    if (this.leases.get(lease.id)?.receipt === lease.receipt) this.leases.delete(lease.id);
  }
}
