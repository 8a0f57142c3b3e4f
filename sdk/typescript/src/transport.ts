/**
 * Requests as the rest of the SDK makes them: JSON in, JSON or an error out, repeated where that is right.
 *
 * The one place that repeats requests, and the one that turns an answer into an error. A request says whether it is
 * `safe`: harmless to repeat even when an earlier try was carried out. For one that is not, a lost answer becomes
 * `OutcomeUnknown`, never a silent second try.
 */

import { type OnCall, operationOf, tell } from './called.js';
import type { Answer, Exchange } from './connection.js';
import { ApiError, copyOf, type Fault, isKnown, type Outcome, OutcomeUnknown, QueuesError } from './errors.js';
import { entryResults } from './models.js';
import type { RetryPolicy } from './retry.js';
import type { Sleep } from './waiting.js';
import type { Json } from './wire.js';

const UNKNOWN =
  'whether the request was carried out is unknown: look before you repeat it. (An enqueue with a dedupId is safe to ' +
  'repeat, and the client repeats it by itself.) Cause:';

export interface Request {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Encoded path and query. */
  target: string;
  /** JSON. */
  body?: string;
  /** Harmless to repeat when an earlier try may have been carried out. */
  safe: boolean;
  /** Seconds the server may take on purpose. */
  wait?: number;
  /** How many messages it is about; of a receive, the answer tells. */
  messages?: number;
  policy?: RetryPolicy;
  signal?: AbortSignal | undefined;
}

/** Requests to one server. */
export class Transport {
  constructor(
    private readonly exchange: Exchange,
    private readonly policy: RetryPolicy,
    private readonly timeout: number,
    private readonly sleep: Sleep,
    private readonly onCall?: OnCall,
  ) {}

  /** Waits before a repetition of what was refused, and tells how long; undefined: there is none, as for a request. */
  async backOff(failures: number, error: QueuesError, waited: number): Promise<number | undefined> {
    const delay = this.policy.nextDelay(failures, error, true, waited);
    if (delay !== undefined) await this.sleep(delay);
    return delay;
  }

  /** The answer's JSON. Throws QueuesError, or the signal's reason. */
  async call(request: Request): Promise<Json> {
    const tries = { begun: 0 };
    if (this.onCall === undefined) return this.repeat(request, tries);
    const began = performance.now();
    const told = { ...operationOf(request.method, request.target), messages: request.messages ?? 0 };
    let failed: unknown;
    try {
      const answer = await this.repeat(request, tries);
      if (told.operation === 'receive') told.messages = answer.messages.length;
      return answer;
    } catch (error) {
      failed = error;
      throw error;
    } finally {
      const seconds = (performance.now() - began) / 1000;
      tell(this.onCall, { ...told, attempts: tries.begun, seconds, error: failed });
    }
  }

  private async repeat(request: Request, tries: { begun: number }): Promise<Json> {
    const { safe, signal } = request;
    const policy = request.policy ?? this.policy;
    let doubt = false;
    let waited = 0;
    for (;;) {
      try {
        tries.begun++;
        return await this.once(request);
      } catch (error) {
        if (!(error instanceof QueuesError)) throw error;
        const delay = policy.nextDelay(tries.begun, error, safe, waited);
        if (delay === undefined) {
          // Whatever the last try met, an earlier one may have been carried out.
          const last = doubt ? copyOf(error, 'unknown') : error;
          if (safe || last.outcome === 'none') throw last;
          throw new OutcomeUnknown(`${UNKNOWN} ${error.message}`, { cause: error });
        }
        doubt ||= error.outcome === 'unknown';
        waited += delay;
        await this.sleep(delay, signal);
      }
    }
  }

  private async once({ method, target, body, wait = 0, signal }: Request): Promise<Json> {
    const answer = await this.exchange(method, target, body, this.timeout + wait, signal);
    if (answer.status < 200 || answer.status >= 300) throw errorOf(answer);
    try {
      return JSON.parse(answer.body);
    } catch (cause) {
      const text = 'the answer is not JSON: is this the URL of a Hanzo Queues server?';
      throw new ApiError('', text, { status: answer.status, outcome: 'unknown', cause });
    }
  }
}

/** The error an answer stands for, whoever wrote it: the server, or a proxy before it. */
export function errorOf(answer: Answer): ApiError {
  const problem = problemOf(answer.body);
  const code = typeof problem.code === 'string' ? problem.code : '';
  const asked = problem.retryAfter;
  // Without the server's word, only these statuses mean that the request was not carried out.
  const guessed: Outcome | undefined = isKnown(code) ? undefined : answer.status < 500 ? 'none' : 'unknown';
  return new ApiError(code, String(problem.detail || problem.title || answer.body.slice(0, 200)), {
    status: answer.status,
    retryable: typeof problem.retryable === 'boolean' ? problem.retryable : undefined,
    outcome: problem.outcome === 'none' || problem.outcome === 'unknown' ? problem.outcome : guessed,
    retryAfter: typeof asked === 'number' ? asked : retryAfterHeader(answer.header('Retry-After')),
    errors: Array.isArray(problem.errors) ? problem.errors.filter(isFault) : [],
    requestId: problem.requestId || answer.header('X-Request-Id') || undefined,
    results: code === 'batch_aborted' ? entryResults(problem) : [],
    body: problem,
  });
}

function problemOf(body: string): Json {
  try {
    const problem: unknown = JSON.parse(body);
    return typeof problem === 'object' && problem !== null ? problem : {};
  } catch {
    return {};
  }
}

function isFault(fault: unknown): fault is Fault {
  return typeof fault === 'object' && fault !== null && typeof (fault as Fault).detail === 'string';
}

/** The header in seconds from now: a number, or an HTTP date. */
export function retryAfterHeader(text: string | null, now: () => number = Date.now): number | undefined {
  if (text === null || text.trim() === '') return undefined;
  const seconds = Number(text);
  const until = Number.isNaN(seconds) ? (Date.parse(text) - now()) / 1000 : seconds;
  return Number.isNaN(until) ? undefined : Math.max(0, until);
}
