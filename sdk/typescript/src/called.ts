/** What a client tells of each request, for metrics: `onCall` gets a `Called` when one has ended. */

import { OPERATIONS, type Operation } from './spec.js';

/** A request to the server that has ended, with all its tries. */
export interface Called {
  /** Its operationId in openapi.yaml, such as 'enqueue', 'enqueueBatch', 'receive', 'settle'. */
  operation: Operation;
  /** The queue it was sent to; undefined: it names none, or a message alone. */
  queue: string | undefined;
  /** How many messages it enqueued, received or settled, those of all calls that shared it; 0 for other operations. */
  messages: number;
  /** How often it was tried. */
  attempts: number;
  /** From the first try to the end, waits between tries included; of a receive its long poll, too. */
  seconds: number;
  /** What it ended with; undefined: an answer. */
  error: unknown;
}

export type OnCall = (called: Called) => unknown;

/** The operation of a request, and the queue its path names. */
export function operationOf(method: string, target: string): Pick<Called, 'operation' | 'queue'> {
  const [path = ''] = target.split('?');
  const parts = path.split('/').slice(2);
  const named = parts.map((part, index) => (index % 2 === 1 ? '*' : part));
  const keys = [[...named.slice(0, 3), ...parts.slice(3)], named].map((key) => `${method} ${key.join('/')}`);
  const key = keys.find((key) => key in OPERATIONS) as keyof typeof OPERATIONS;
  const queue = parts[0] === 'queues' && parts[1] !== undefined ? decodeURIComponent(parts[1]) : undefined;
  return { operation: OPERATIONS[key], queue };
}

/** Calls the hook. One that fails stops nothing. */
export function tell(onCall: OnCall, called: Called): void {
  void (async () => onCall(called))().catch((error) => console.error('onCall failed:', error));
}
