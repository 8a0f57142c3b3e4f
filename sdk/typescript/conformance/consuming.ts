/** A consumer whose handler does what a scenario's script says. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Handled, type HandlerContext, Limited, type Message, Queues, Reject, Retry } from '../src/index.js';
import type { Json } from './vectors.js';

export interface Live {
  url: string;
  apiKey: string;
  /** Resolves when the server is ready again. */
  kill: () => Promise<void>;
}

/** Until so many deliveries were handled; what became of each. */
export async function consume(live: Live, args: Json): Promise<Json> {
  const { until, untilAcked, killAfter, script, batchSize, ...options } = args;
  const handled: Json[] = [];
  let killing: Promise<void> | undefined;
  const client = new Queues(live);
  let enough = () => {};
  const over = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const onHandled = ({ message, outcome, running, concurrency }: Handled) => {
    const { payload, deliveries, traceparent } = message;
    handled.push({ payload, outcome, deliveries, traceparent, running, concurrency });
    if (handled.length === killAfter) killing = live.kill();
    const acked = handled.filter((one) => one.outcome === 'acked').length;
    if (handled.length === until || acked === untilAcked) enough();
  };
  const one = (message: Message, context?: HandlerContext) => deed(client, message, script, context?.signal);
  const hooks = { ...options, onHandled, onError: () => {} };
  const consumer =
    batchSize === undefined
      ? client.consume({ ...hooks, handler: one })
      : client.consume({
          ...hooks,
          batchSize,
          handler: (messages) => Promise.allSettled(messages.map((message) => one(message))),
        });
  await Promise.race([over, consumer.done]);
  await client.close();
  await killing;
  return { handled };
}

/** What the script says of this delivery. */
async function deed(client: Queues, message: Message, script: Json[], signal?: AbortSignal): Promise<unknown> {
  const step = script.find((step) => isMeant(step, message)) ?? { do: 'return' };
  switch (step.do) {
    case 'return':
      await sleep((step.after ?? 0) * 1000);
      return step.value;
    case 'fail':
      throw new Error(step.reason ?? 'failed');
    case 'retry':
      throw new Retry(step.delay, step.reason);
    case 'reject':
      throw new Reject(step.reason);
    case 'limited':
      throw new Limited(step.delay);
    case 'ack':
      return client.ack(message, { result: step.result, enqueue: step.enqueue ?? [] });
    case 'lose':
      await client.purge(message.queue);
      return sleep(30_000, undefined, { signal });
    default:
      throw new Error(`no such deed: ${step.do}`);
  }
}

function isMeant(step: Json, message: Message): boolean {
  return isDeepStrictEqual(step.when, message.payload) && (step.delivery ?? message.deliveries) === message.deliveries;
}
