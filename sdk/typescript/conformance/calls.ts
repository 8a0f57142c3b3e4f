/** The vocabulary of the vectors as calls of the SDK: arguments, results and errors, in the wire's names. */

import {
  ApiError,
  type Called,
  ClientClosed,
  OutcomeUnknown,
  type Queues,
  QueuesError,
  ReceiptUnknown,
  ServerUnreachable,
} from '../src/index.js';
import type { Json } from './vectors.js';

type Call = (client: Queues, args: Json) => Promise<Json>;

/** Every operation; where arguments have no other names in TypeScript, they are given as they are. */
const OPERATIONS: Record<string, Call> = {
  create: (client, args) => client.create(args),
  update: (client, args) => client.update(args),
  get: (client, { name }) => client.get(name),
  list: async (client, args) => ({ queues: await client.list(args) }),
  pause: (client, { name, ...options }) => client.pause(name, options),
  resume: (client, { name, ...options }) => client.resume(name, options),
  purge: async (client, { name }) => ({ messages: await client.purge(name) }),
  delete: async (client, { name }) => ({ messages: await client.delete(name) }),
  enqueue: (client, args) => client.enqueue(args),
  enqueueBatch: async (client, args) => ({ results: await client.enqueueBatch(args) }),
  receive: (client, args) => client.receive(args),
  ack: (client, { message, ...options }) => client.ack(message, options),
  ackAll: async (client, { messages }) => ({ errors: await client.ackAll(messages) }),
  nack: (client, { message, ...options }) => client.nack(message, options),
  release: (client, { message, ...options }) => client.release(message, options),
  extend: async (client, { message, ...options }) => ({ leasedUntil: await client.extend(message, options) }),
  getMessage: (client, { messageId }) => client.getMessage(messageId),
  peek: (client, args) => client.peek(args),
  explain: (client, { messageId, ...options }) => client.explain(messageId, options),
  updateMessage: (client, { messageId, ...options }) => client.updateMessage(messageId, options),
  runNow: (client, { messageId }) => client.runNow(messageId),
  cancelMessage: async (client, { messageId }) => (await client.cancelMessage(messageId)) ?? {},
  createGroup: (client, { queue, name }) => client.createGroup(queue, name),
  listGroups: async (client, { queue }) => ({ groups: await client.listGroups(queue) }),
  getGroup: (client, { queue, group }) => client.getGroup(queue, group),
  deleteGroup: async (client, { queue, group }) => ({ messages: await client.deleteGroup(queue, group) }),
  heartbeat: async (client, { queue, consumerId, ...options }) => ({
    sessionUntil: await client.heartbeat(queue, consumerId, options),
  }),
  leaveGroup: async (client, { queue, consumerId, ...options }) => ({
    released: await client.leaveGroup(queue, consumerId, options),
  }),
  redrive: (client, args) => client.redrive(args),
  cancelMessages: (client, args) => client.cancelMessages(args),
  updateMessages: (client, args) => client.updateMessages(args),
  getSweep: (client, { sweep }) => client.getSweep(sweep),
  cancelSweep: (client, { sweep }) => client.cancelSweep(sweep),
  listSweeps: async (client) => ({ sweeps: await client.listSweeps() }),
  waitForSweep: (client, { sweep, ...options }) => client.waitForSweep(sweep, options),
};

/** What the hook was told, as the vectors say it. */
export function told({ operation, queue, messages, attempts, seconds, error }: Called): Json {
  if (!(seconds >= 0 && seconds < 60)) throw new Error(`${operation} took ${seconds} s`);
  return { operation, queue, messages, attempts, error: error === undefined ? undefined : wireError(error) };
}

/** What became of a call, as the vectors say it: { returns } or { raises }. */
export async function outcomeOf(client: Queues, { op, args }: Json): Promise<Json> {
  const call = OPERATIONS[op];
  if (call === undefined) throw new Error(`no such operation: ${op}`);
  try {
    return { returns: wire(await call(client, args)) };
  } catch (error) {
    return { raises: wireError(error) };
  }
}

/** A result in JSON: Dates become text, errors what the vectors say of them. */
function wire(value: Json): Json {
  if (value instanceof QueuesError) return wireError(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(wire);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, wire(member)]));
}

const KINDS = [
  ['serverUnreachable', ServerUnreachable],
  ['outcomeUnknown', OutcomeUnknown],
  ['receiptUnknown', ReceiptUnknown],
  ['clientClosed', ClientClosed],
] as const;

function wireError(error: unknown): Json {
  if (error instanceof ApiError) {
    const { code, status, detail, retryable, outcome, retryAfter, requestId, errors, results } = error;
    const told = { code, status, detail, retryable, outcome, retryAfter, requestId, errors };
    return { error: 'api', ...told, results: wire(results) };
  }
  const kind = KINDS.find(([, type]) => error instanceof type)?.[0];
  if (kind !== undefined) {
    const { outcome, retryable } = error as QueuesError;
    return { error: kind, outcome, retryable };
  }
  if (error instanceof TypeError || error instanceof RangeError) return { error: 'invalid' };
  throw error;
}
