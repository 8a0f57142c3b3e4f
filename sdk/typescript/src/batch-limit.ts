/**
 * How many entries one request may have: at most so many, until the server, whose MAX_BATCH_SIZE is smaller, refuses as
 * many. All requests of a client share it: what one learnt, no other is refused for.
 */
export class BatchLimit {
  constructor(public entries: number) {}

  /** A request of so many entries was too large. */
  refused(count: number): void {
    this.entries = Math.max(1, Math.min(this.entries, Math.floor(count / 2)));
  }
}
