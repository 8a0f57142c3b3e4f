/**
 * A consumer as a member of its consumer group: named, known to be alive, and gone when it stops.
 *
 * The server knows a member by its polls. While all of its handlers are busy it does not poll, so it sends heartbeats:
 * else its session would end, and with it the leases of those very handlers. Must not know what is polled for.
 */

import type { Registration } from './consuming.js';
import type { GroupCalls } from './group-calls.js';
import { newConsumerId } from './platform.js';
import { sleep, within } from './waiting.js';

/** How long a stop waits for the answer to its leaving. Without one, the session ends by time. */
const LEAVE_SECONDS = 2;

/** One consumer's place in its group. */
export class Membership {
  readonly consumerId: string;
  private polls = 0;
  private seenAt: number | undefined;
  private readonly leaving = new AbortController();

  constructor(
    private readonly client: GroupCalls,
    private readonly options: Registration,
    private readonly onError: (error: unknown) => void,
  ) {
    this.consumerId = options.consumerId ?? newConsumerId();
  }

  /** Stays a member from the first poll to `leave`, also when there is no poll for longer than a session. */
  start(sessionTimeout: number): void {
    void this.keep(sessionTimeout / 3).catch(() => {}); // ended by `leave`
  }

  /** A poll is open: the server sees us, from its beginning to its end. */
  async poll<R>(poll: () => Promise<R>): Promise<R> {
    this.polls++;
    this.seenAt = performance.now();
    try {
      return await poll();
    } finally {
      this.polls--;
      this.seenAt = performance.now();
    }
  }

  /** Sends a heartbeat whenever the server has not seen us for `interval` seconds. */
  private async keep(interval: number): Promise<never> {
    const { queue, group } = this.options;
    for (;;) {
      const seenAt = this.polls > 0 || this.seenAt === undefined ? performance.now() : this.seenAt;
      const wait = interval - (performance.now() - seenAt) / 1000;
      if (wait > 0) {
        await sleep(wait, this.leaving.signal);
        continue;
      }
      try {
        await this.client.heartbeat(queue, this.consumerId, { group, signal: this.leaving.signal });
      } catch (error) {
        this.leaving.signal.throwIfAborted();
        this.onError(error);
      }
      this.seenAt = performance.now();
    }
  }

  /** Makes room at once: the keys that stick to this member go to others. */
  async leave(): Promise<void> {
    this.leaving.abort();
    if (this.seenAt === undefined) return;
    const { queue, group } = this.options;
    await within(LEAVE_SECONDS, this.client.leaveGroup(queue, this.consumerId, { group }));
  }
}
