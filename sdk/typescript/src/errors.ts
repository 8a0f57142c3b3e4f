/**
 * Every error the SDK throws. Branch on the class, and on `code` of an `ApiError`; texts may change.
 *
 * Each says what became of the request: `outcome` is 'none' (nothing happened) or 'unknown' (it may have been carried
 * out). The tree is shallow on purpose: `QueuesError` catches everything, `ApiError` whatever the server refused.
 * Arguments that can't be right throw a TypeError or RangeError, and an aborted call throws its signal's reason; of an
 * `enqueueBatch` it is the `cause` of Interrupted.
 */

import type { EntryResult } from './models.js';
import { ERRORS, type ErrorCode } from './spec.js';

export type Outcome = 'none' | 'unknown';

interface Facts {
  retryable?: boolean | undefined;
  outcome?: Outcome | undefined;
  cause?: unknown;
}

/**
 * The base of all. `retryable`: the same request can succeed later. `outcome`: what became of this one. `results`: of
 * `enqueueBatch`, what became of the messages whose requests were answered before.
 */
export class QueuesError extends Error {
  readonly retryable: boolean;
  readonly outcome: Outcome;
  /** Of `batch_aborted`: why, entry by entry. */
  results: readonly EntryResult[] = [];

  constructor(message: string, { retryable = false, outcome = 'none', cause }: Facts = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.retryable = retryable;
    this.outcome = outcome;
  }
}

/** No answer came: no connection (`outcome` 'none'), or it broke or timed out after sending ('unknown'). */
export class ServerUnreachable extends QueuesError {
  constructor(message: string, facts: Facts = {}) {
    super(message, { retryable: true, ...facts });
  }
}

/**
 * A request that is not safe to repeat may have been carried out; `cause` is what went wrong. An enqueue with a
 * `dedupId` never throws this: the client repeats it, and at most one message is stored.
 */
export class OutcomeUnknown extends QueuesError {
  constructor(message: string, facts: Facts = {}) {
    super(message, { outcome: 'unknown', ...facts });
  }
}

/** A message was named by its id, and this client holds no lease of it. Pass the received message itself. */
export class ReceiptUnknown extends QueuesError {}

/** The client was closed before or while this call ran. */
export class ClientClosed extends QueuesError {
  constructor(message = 'the client is closed', facts: Facts = {}) {
    super(message, facts);
  }
}

/** An `enqueueBatch` was aborted: `cause` is its signal's reason, `outcome` that of the request that was under way. */
export class Interrupted extends QueuesError {}

/** A fault in a request: a JSON pointer into the body, or `?name` for a query parameter. */
export interface Fault {
  pointer: string;
  detail: string;
}

export interface ApiErrorFields extends Facts {
  status?: number | undefined;
  retryAfter?: number | undefined;
  errors?: readonly Fault[] | undefined;
  requestId?: string | undefined;
  results?: readonly EntryResult[] | undefined;
  body?: unknown;
}

/** The server's refusal. */
export class ApiError extends QueuesError {
  /** One of the API's codes; '' when something between client and server answered. A newer server may know more. */
  readonly code: ErrorCode | '' | (string & {});
  /** The HTTP status; 0 for one entry of a batch whose code this SDK does not know. */
  readonly status: number;
  /** What is wrong, for people. */
  readonly detail: string;
  /** Faults in the request. */
  readonly errors: readonly Fault[];
  /** Seconds the server asks to wait. */
  readonly retryAfter: number | undefined;
  /** Names this request in the server's log. */
  readonly requestId: string | undefined;
  /** The whole answer. */
  readonly body: unknown;

  constructor(code: string, detail: string, fields: ApiErrorFields = {}) {
    const known = isKnown(code) ? ERRORS[code] : { status: 0, retryable: false, outcome: 'none' as const };
    const errors = fields.errors ?? [];
    const status = fields.status ?? known.status;
    super(text(code || String(status), detail, errors, fields.requestId), {
      retryable: fields.retryable ?? known.retryable,
      outcome: fields.outcome ?? known.outcome,
      cause: fields.cause,
    });
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.errors = errors;
    this.retryAfter = fields.retryAfter;
    this.requestId = fields.requestId;
    this.results = fields.results ?? [];
    this.body = fields.body;
  }
}

/** Whether this SDK knows the code. */
export function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** Whether the same request can succeed later. */
export function isTransient(error: unknown): error is QueuesError {
  return error instanceof QueuesError && (error.retryable || (error instanceof ApiError && REPEATED.has(error.status)));
}

const REPEATED = new Set([408, 429, 502, 503, 504]);

/** The same error for another caller, or with another outcome: a stack belongs to one throw. */
export function copyOf<E extends QueuesError>(error: E, outcome: Outcome = error.outcome): E {
  const copy = new Error(error.message, { cause: error.cause });
  return Object.assign(Object.setPrototypeOf(copy, Object.getPrototypeOf(error)), error, { outcome });
}

function text(name: string, detail: string, errors: readonly Fault[], requestId: string | undefined): string {
  const faults = errors
    .map((fault) => (fault.pointer ? `${fault.pointer}: ${fault.detail}` : fault.detail))
    .filter((fault) => !detail.includes(fault));
  const told = `${name}: ${detail}${faults.length > 0 ? ` (${faults.join('; ')})` : ''}`;
  return requestId === undefined ? told : `${told} [request ${requestId}]`;
}
