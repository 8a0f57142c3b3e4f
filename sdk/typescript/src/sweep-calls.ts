/** Sweeps: dead letters redriven, waiting messages cancelled or changed, by filter and in the background. */

import type { CallOptions } from './calls.js';
import { GroupCalls } from './group-calls.js';
import { instant, maybeInstant } from './models.js';
import type { DeathReason, Period, State, SweepState } from './spec.js';
import { linked } from './waiting.js';
import { checkNames, encodeSome, given, type Json, nothingElse, queueTarget, quoted, withQuery } from './wire.js';

/** Pauses between two looks at a sweep that is waited for: they double, since most sweeps are short. */
const LOOK_SECONDS_MIN = 0.05;
const LOOK_SECONDS_MAX = 2;

/** Messages for which all of it is true; an empty one means every message that the action is meant for. */
export interface Filter {
  state?: Exclude<State, 'leased'>;
  /** Why it died. */
  reason?: DeathReason;
  /** A part of its last error's text. */
  error?: string;
  /** It died (or, if it never did, was accepted) at least so many seconds ago. */
  olderThan?: number;
  /** At most so many seconds ago. */
  newerThan?: number;
  /** Members its metadata has, with these values. */
  metadata?: Record<string, unknown>;
}

const FILTER_NAMES = ['state', 'reason', 'error', 'olderThan', 'newerThan', 'metadata'];

export interface SweepOptions extends CallOptions {
  queue: string;
  /** So many messages (`requests`) a period at most, evenly. Default: no limit. */
  rate?: { requests: number; per: Period };
  /** Messages acted on at most. */
  max?: number | undefined;
  /** Only counts, and shows a `sample`. */
  dryRun?: boolean | undefined;
}

export interface RedriveOptions extends SweepOptions {
  /** Up to 1000 messages of this queue, by id. */
  ids?: readonly string[] | undefined;
  /** Not with `ids`. */
  filter?: Filter | undefined;
  /** A queue for all of them. Default: the queue each one died in. */
  destination?: string | undefined;
}

export interface CancelMessagesOptions extends SweepOptions {
  filter: Filter;
}

export interface UpdateMessagesOptions extends SweepOptions {
  filter: Filter;
  /** Seconds, from when each has its turn. */
  delay?: number | undefined;
  priority?: number | undefined;
}

export interface WaitOptions extends CallOptions {
  /** Seconds. Default: for ever. Then a TimeoutError is thrown, and the sweep goes on. */
  timeout?: number | undefined;
  /** Called with the sweep at each look, every two seconds at least. */
  onProgress?: (sweep: Sweep) => unknown;
}

/** A walk over the messages of a queue, and how far it is. It goes on when the server restarts. */
export interface Sweep {
  id: string;
  queue: string;
  /** For a change: what it sets. */
  action: 'redrive' | 'cancel' | { delay?: number; priority?: number };
  state: SweepState;
  dryRun: boolean;
  /**
   * Messages it could concern when it began, at most: those in the state it is about, or the `ids`. `matched` stays below it
   * where a filter asks for more. Undefined: the server did not count them.
   */
  total: number | undefined;
  /** Messages that matched and were there when their turn came. */
  matched: number;
  /** Those it was done to. */
  moved: number;
  /** Those that had left their state meanwhile, and ids that are not there. */
  skipped: number;
  /** Those it could not be done to: they stay where they are. */
  failed: number;
  /** Why, and how many: 'no_source', 'queue_not_found', 'queue_full', 'group_not_found'. */
  failures: Record<string, number>;
  createdAt: Date;
  endedAt: Date | undefined;
  /** Why it failed as a whole. */
  error: string | undefined;
  /** Of a dry run: the ids of the first that matched. */
  sample: string[];
  /** Of a redrive to one queue. */
  destination: string | undefined;
}

/** The part of a client that sweeps. */
export class SweepCalls extends GroupCalls {
  /**
   * Starts to move dead letters back to where they died: with new ids, ready at once, attempts from 0. Messages of a
   * dead-letter queue, or those in a queue's state 'dead'; without `ids` and `filter`, all of them. None is lost or
   * doubled.
   *
   * It is under way when this resolves: see `waitForSweep`, `getSweep`, `cancelSweep`. Throws `queue_not_found`,
   * `sweeps_exhausted`, `request_invalid`, and OutcomeUnknown when the answer was lost: another redrive finds what the
   * first one left.
   */
  async redrive({ ids, destination, ...options }: RedriveOptions): Promise<Sweep> {
    return this.startSweep('/redrive', options, { ids, destination });
  }

  /**
   * Starts to delete the messages that match: those that wait, unless the filter names a state. Those that consumers
   * hold, and those that arrive later, are left alone. Errors and progress as of `redrive`.
   */
  async cancelMessages(options: CancelMessagesOptions): Promise<Sweep> {
    return this.startSweep('/sweep', options, { action: 'cancel' });
  }

  /** Starts to change the waiting messages that match, as `updateMessage` does one. Errors and progress as of `redrive`. */
  async updateMessages({ delay, priority, ...options }: UpdateMessagesOptions): Promise<Sweep> {
    const action = given({ delay, priority });
    if (Object.keys(action).length === 0) throw new TypeError('nothing to change: give a delay, a priority, or both');
    return this.startSweep('/sweep', options, { action });
  }

  private async startSweep(
    rest: string,
    options: SweepOptions & { filter?: Filter | undefined },
    asked: Json,
  ): Promise<Sweep> {
    const { queue, filter, rate, max, dryRun, signal, ...others } = options;
    nothingElse(others, 'a sweep'); // a misspelt dryRun would act
    if (filter !== undefined) checkNames(filter, FILTER_NAMES, 'filter');
    const body = encodeSome({ ...asked, filter, rate, max, dryRun: dryRun || undefined });
    return sweepOf(await this.call({ method: 'POST', target: queueTarget(queue, rest), body, safe: false, signal }));
  }

  /** How far a sweep, or the one with this id, is. Known for 7 days after its end. Throws `sweep_not_found`. */
  async getSweep(sweep: Sweep | string, { signal, ...others }: CallOptions = {}): Promise<Sweep> {
    nothingElse(others, 'getSweep');
    return sweepOf(await this.call({ method: 'GET', target: sweepTarget(sweep), safe: true, signal }));
  }

  /** The redrives and sweeps of all queues that are under way, and those that ended in the last 7 days. */
  async listSweeps({ signal, ...others }: CallOptions = {}): Promise<Sweep[]> {
    nothingElse(others, 'listSweeps');
    const found: Sweep[] = [];
    let after: string | undefined;
    do {
      const target = withQuery('/v1/sweeps', { after });
      const page = await this.call({ method: 'GET', target, safe: true, signal });
      found.push(...page.sweeps.map(sweepOf));
      after = page.next ?? undefined;
    } while (after !== undefined);
    return found;
  }

  /**
   * Stops a sweep: it does nothing more when this resolves, and what it did stays. One that has ended stays as it is.
   * Throws `sweep_not_found`.
   */
  async cancelSweep(sweep: Sweep | string, { signal, ...others }: CallOptions = {}): Promise<Sweep> {
    nothingElse(others, 'cancelSweep');
    return sweepOf(await this.call({ method: 'DELETE', target: sweepTarget(sweep), safe: true, signal }));
  }

  /** Waits for the end of a sweep and returns it; its `state` says how it ended. */
  async waitForSweep(
    sweep: Sweep | string,
    { timeout, onProgress, signal, ...others }: WaitOptions = {},
  ): Promise<Sweep> {
    nothingElse(others, 'waitForSweep');
    const over = timeout === undefined ? undefined : AbortSignal.timeout(timeout * 1000);
    const ending = linked(over, signal);
    try {
      for (let pause = LOOK_SECONDS_MIN; ; pause = Math.min(pause * 2, LOOK_SECONDS_MAX)) {
        const seen = await this.getSweep(sweep, { signal: ending.signal });
        onProgress?.(seen);
        if (seen.state !== 'running') return seen;
        await this.wait(pause, ending.signal);
      }
    } finally {
      ending.release();
    }
  }
}

function sweepOf(json: Json): Sweep {
  const { id, queue, action, state, total, matched, moved, skipped, failed, error, destination } = json;
  const { dryRun = false, failures = {}, sample = [] } = json;
  const counts = { total, matched, moved, skipped, failed, failures };
  const ended = { createdAt: instant(json.createdAt), endedAt: maybeInstant(json.endedAt) };
  return { id, queue, action, state, dryRun, ...counts, ...ended, error, sample, destination };
}

function sweepTarget(sweep: Sweep | string): string {
  return `/v1/sweeps/${quoted(typeof sweep === 'string' ? sweep : sweep.id, 'sweep')}`;
}
