/**
 * When to try again, and how long to wait first. Pure: no clock, no request, and chance is passed in.
 *
 * The whole policy: up to `retriesMax` tries after the first, each after a wait that is drawn from 0 to an exponential
 * bound (full jitter: clients which failed together do not come back together; Brooker, "Exponential Backoff And Jitter",
 * AWS 2015) on top of what the server's Retry-After asks for. All waits of a call together are 10 seconds at most: the
 * last one is cut short to that, and a Retry-After that goes beyond it ends the call with its error.
 */

import { ApiError, isTransient, type QueuesError } from './errors.js';

const DELAY_INITIAL = 0.1;
const DELAY_MAX = 5;
/** Seconds. All waits of one call together. Whoever is asked to wait for longer is told so, and knows better what to do. */
const WAIT_MAX = 10;

/** `retriesMax` tries after the first; before the n-th it waits for what the server asked for, and 0 to
 * `min(5, 0.1 * 2 ** (n - 1))` seconds. */
export class RetryPolicy {
  constructor(
    readonly retriesMax = 8,
    private readonly chance: () => number = Math.random,
  ) {}

  /**
   * Seconds to wait before the next try, or undefined to give up.
   *
   * @param failures tries that failed, this one included: at least 1
   * @param safe repeating is harmless even when the failed try was carried out
   * @param waited seconds that this call has waited so far, between its tries
   */
  nextDelay(failures: number, error: QueuesError, safe: boolean, waited: number): number | undefined {
    if (failures > this.retriesMax || !isTransient(error)) return undefined;
    // A lease lasts as long as its consumer works: whoever asked knows better than to sit it out.
    if (error instanceof ApiError && error.code === 'message_leased') return undefined;
    if (error.outcome === 'unknown' && !safe) return undefined;
    const asked = retryAfterOf(error) ?? 0;
    const left = WAIT_MAX - waited;
    return left <= 0 || asked > left ? undefined : Math.min(left, asked + this.backoff(failures));
  }

  /** The jittered wait after so many failures in a row (at least 1), in seconds. */
  backoff(failures: number): number {
    return Math.min(DELAY_MAX, DELAY_INITIAL * 2 ** Math.min(failures - 1, 30)) * this.chance();
  }
}

/** Seconds the server asks to wait, if it does. */
export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof ApiError ? error.retryAfter : undefined;
}
