/**
 * How many handlers a consumer runs at once, between its minimum and its maximum.
 *
 * By Little's law: to work off the backlog in time takes backlog * handler time / time handlers. It grows to the double and
 * shrinks by a quarter at most, one look at a time, so that a burst is met soon and does not make it flap. When handlers
 * that were added only made all of them slower, they are taken back, and concurrency stays there for a while: what they
 * share is the limit. Pure: no clock, no request.
 */

/** Seconds between two looks. */
export const LOOK_SECONDS = 1;
/** How soon a backlog should be worked off: shorter makes for more handlers. */
const CLEAR_SECONDS = 5;
/** The share of what handlers were added that their throughput has to grow by; else what they use is saturated. */
const GAIN_MIN = 1 / 3;
/** So many looks at most growth waits for handlers to show what it brought. */
const JUDGED_WITHIN = 10;
/** So many looks concurrency stays where more of it brought nothing. */
const HOLD_LOOKS = 30;

/** One look. */
export interface Seen {
  /** Messages that wait for this consumer, and those in its hands. */
  backlog: number;
  /** Seconds those messages took that ended since the last look; 0: none did. */
  handlerSeconds: number;
  /** All handlers run. */
  busy: boolean;
}

export class Scale {
  current: number;
  /** Seconds a message takes, as seen last. */
  private handlerSeconds = 0;
  /** What it was before it grew, while that is to be judged. */
  private before: { handlers: number; handlerSeconds: number } | undefined;
  /** Looks until then. */
  private settling = 0;
  /** Looks that growth waits. */
  private hold = 0;

  constructor(
    private readonly min: number,
    private readonly max: number,
  ) {
    this.current = min;
  }

  /** The number of handlers from now on. */
  next({ backlog, handlerSeconds, busy }: Seen): number {
    if (handlerSeconds > 0) this.handlerSeconds = handlerSeconds;
    const known = this.handlerSeconds > 0;
    const wanted = known ? Math.ceil((backlog * this.handlerSeconds) / CLEAR_SECONDS) : this.current;
    this.hold = Math.max(0, this.hold - 1);
    this.settling = Math.max(0, this.settling - 1);
    if (wanted < this.current) {
      this.before = undefined;
      this.current = Math.max(wanted, this.current - Math.max(1, Math.floor(this.current / 4)));
    } else if (busy && this.settling === 0) {
      if (this.before !== undefined && this.saturated(this.before)) {
        this.current = this.before.handlers;
        this.before = undefined;
        this.hold = HOLD_LOOKS;
      } else if (wanted > this.current && this.hold === 0) this.grow(wanted);
    }
    this.current = Math.min(Math.max(this.current, this.min), this.max);
    return this.current;
  }

  private grow(wanted: number): void {
    this.before = { handlers: this.current, handlerSeconds: this.handlerSeconds };
    this.current = Math.min(wanted, 2 * this.current, this.max);
    // Handlers that began since must have ended: those of the look before tell of less concurrency.
    this.settling = Math.min(Math.ceil(this.handlerSeconds / LOOK_SECONDS) + 1, JUDGED_WITHIN);
  }

  /** Throughput, which is handlers / handler time, did not follow the growth that is to be judged. */
  private saturated({ handlers, handlerSeconds }: { handlers: number; handlerSeconds: number }): boolean {
    if (handlers >= this.current) return false;
    const grown = this.current / handlers - 1;
    const gained = ((1 + grown) * handlerSeconds) / this.handlerSeconds - 1;
    return gained < GAIN_MIN * grown;
  }
}
