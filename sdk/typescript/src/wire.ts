/**
 * How arguments become the JSON the server reads.
 *
 * Arguments left out are not sent: the default is the server's. Values are the server's to judge, but what JSON can't
 * hold is refused here, with a way out, and so is a name that does not exist: a misspelt one must never be silence.
 */

/** JSON of the server, or for it: its shape is checked by what is made of it. */
// biome-ignore lint/suspicious/noExplicitAny: JSON is what it is.
export type Json = any;

/** JSON. Throws a TypeError that says what can't be in it. */
export function encode(value: unknown): string {
  const text = JSON.stringify(value, refuseBytes);
  if (text === undefined) throw new TypeError(`JSON can't hold a ${typeof value}: send an object, an array, text, ...`);
  return text;
}

/** Bytes would become an object of numbers without a word. `this` is their holder: Buffers have become objects already. */
function refuseBytes(this: Json, key: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null && isBytes(this[key])) {
    throw new TypeError(
      "JSON can't hold bytes: send them as base64 text and decode it in the handler, or store the bytes elsewhere and " +
        'send where they are',
    );
  }
  return value;
}

function isBytes(value: unknown): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

/** A JSON object of the fields that are given. Throws a RangeError for a number that is none: JSON would make it null. */
export function encodeSome(fields: Record<string, unknown>): string {
  return encode(given(fields));
}

/** The fields that are given. */
export function given(fields: Record<string, unknown>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new RangeError(`${name} is ${value}; it must be a number`);
    }
    found[name] = value;
  }
  return found;
}

const MESSAGE_NAMES = [
  'payload',
  'priority',
  'delay',
  'dedupId',
  'dedupUntil',
  'orderingKey',
  'fairnessKey',
  'metadata',
  'ttl',
  'maxRetries',
  'backoff',
  'traceparent',
];
const FOLLOW_UP_NAMES = ['queue', ...MESSAGE_NAMES];
/** What a backoff has, of a queue or of a message. */
export const BACKOFF_NAMES = ['initial', 'multiplier', 'max', 'jitter'];

/** One message to enqueue, as JSON. Throws TypeError and RangeError. */
export function encodeMessage(message: object): string {
  return encodeFields(message, MESSAGE_NAMES);
}

/** One message to enqueue with an ack, as JSON. */
export function encodeFollowUp(message: object): string {
  if (!(message as { queue?: unknown }).queue) throw new TypeError('a message to enqueue with an ack needs its queue');
  return encodeFields(message, FOLLOW_UP_NAMES);
}

function encodeFields(message: object, names: readonly string[]): string {
  const { payload, ...rest } = message as Record<string, unknown>;
  checkNames(rest, names, 'a message');
  if (typeof rest.backoff === 'object' && rest.backoff !== null) checkNames(rest.backoff, BACKOFF_NAMES, 'backoff');
  if (payload === undefined) throw new TypeError('a message needs a payload (it may be null)');
  // A payload that is a number no JSON has becomes null, as everywhere in it.
  return encode({ payload, ...given(rest) });
}

/** Throws a TypeError for a name that does not exist. */
export function checkNames(fields: object, names: readonly string[], what: string): void {
  const unknown = Object.keys(fields).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new TypeError(`${what} has no '${unknown}'. Known: ${names.join(', ')}`);
}

/** Throws a TypeError when a call was given an option that it does not have. */
export function nothingElse(others: object, what: string): void {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new TypeError(`${what} has no option '${unknown}'`);
}

/** A JSON array of entries that are JSON already. */
export function join(entries: readonly string[]): string {
  return `[${entries.join(',')}]`;
}

type Query = Record<string, string | number | undefined>;

/** Path and query of something of a queue. */
export function queueTarget(queue: string, rest = '', query: Query = {}): string {
  return withQuery(`/v1/queues/${quoted(queue, 'queue')}${rest}`, query);
}

export function messageTarget(messageId: string, rest = '', query: Query = {}): string {
  return withQuery(`/v1/messages/${quoted(messageId, 'messageId')}${rest}`, query);
}

/** One part of a path. */
export function quoted(part: string, what: string): string {
  if (typeof part !== 'string' || part === '') throw new TypeError(`${what} is ${String(part)}; it must be a name`);
  return encodeURIComponent(part);
}

export function withQuery(path: string, query: Query): string {
  const parameters = Object.entries(given(query)).map(([name, value]) => [name, String(value)]);
  return parameters.length === 0 ? path : `${path}?${new URLSearchParams(parameters)}`;
}

/** Seconds as a query takes them: computed ones, such as what is left of a deadline, have more decimals. */
export function millisecondsKept(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
