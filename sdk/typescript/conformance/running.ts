/** Runs one vector of each kind. Each throws an error that says where it differs. */

import { randomUUID } from 'node:crypto';
import { type Called, Queues } from '../src/index.js';
import { RetryPolicy } from '../src/retry.js';
import { Scale } from '../src/scaling.js';
import { outcomeOf, told as toldOf } from './calls.js';
import { type Asked, CannedFetch, told, withServer } from './canned.js';
import { consume, type Live } from './consuming.js';
import { differences, type Json, type Names, resolved, type Vector } from './vectors.js';

const APIKEY = 'test-key';
const HEADERS = { authorization: `Bearer ${APIKEY}`, accept: 'application/json' };

export async function runWire({ body, values }: Vector): Promise<void> {
  const steps: Json[] = resolved(body.steps, values);
  const exchanges: Json[] = steps.flatMap((step) => step.exchanges);
  const responses = exchanges.map((exchange) => exchange.response);
  await withServer(responses, async (url, asked) => {
    const events: Called[] = [];
    const client = new Queues({ apiKey: APIKEY, url, retriesMax: 0, onCall: (called) => events.push(called) });
    for (const step of steps) {
      check(step, await outcomeOf(client, step));
      checkTold(step, events.splice(0));
    }
    checkRequests(exchanges, asked);
    for (const { headers, body } of asked) {
      demand(differences(HEADERS, headers));
      demand(differences({ $match: 'hanzo-queues-.*' }, headers['user-agent'], '/user-agent'));
      demand(differences(body === undefined ? null : 'application/json', headers['content-type'], '/content-type'));
    }
  });
}

export async function runRetry({ body: given, values }: Vector): Promise<void> {
  const body = resolved(given, values);
  const { settings = {}, jitter = [], responses } = body;
  const { retriesMax = 8 } = settings;
  const delays: number[] = [];
  const canned = new CannedFetch(responses);
  const events: Called[] = [];
  const onCall = (called: Called) => events.push(called);
  const settled = { apiKey: APIKEY, url: 'http://stand-in', retriesMax, timeout: 0.02 };
  const client = new Queues({ ...settled, fetch: canned.fetch, onCall });
  const draws = [...jitter];
  wait(client, async (seconds) => void delays.push(seconds), new RetryPolicy(retriesMax, () => draws.shift() ?? 1));
  check(body, await outcomeOf(client, body));
  await client.close();
  checkTold(body, events);
  const milliseconds = (seconds: number) => Math.round(seconds * 1e6) / 1e6;
  demand(differences(body.delays.map(milliseconds), delays.map(milliseconds), '/delays'));
  demand(differences(responses.length, canned.asked.length, '/attempts'));
  for (const asked of canned.asked) demand(differences(canned.asked[0], asked, '/attempt'));
}

export async function runSharing({ body: given, values }: Vector): Promise<void> {
  const body = resolved(given, values);
  const canned = new CannedFetch(body.exchanges.map((exchange: Json) => exchange.response));
  let release = () => {};
  canned.held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const events: Called[] = [];
  const onCall = (called: Called) => events.push(called);
  const client = new Queues({ apiKey: APIKEY, url: 'http://stand-in', fetch: canned.fetch, onCall });
  wait(client, async () => {});
  const running: Promise<Json>[] = [];
  for (const call of [body.first, ...body.then]) {
    running.push(outcomeOf(client, call));
    await new Promise(setImmediate); // until it waits: for its answer, or for its turn
  }
  release();
  const ended = await Promise.all(running);
  await client.close();
  ended.forEach((became, at) => {
    check(body.outcomes[at], became);
  });
  checkTold(body, events);
  checkRequests(body.exchanges, canned.asked);
}

export async function runScaling({ body }: Vector): Promise<void> {
  const scale = new Scale(body.min, body.max);
  scale.current = body.begin;
  const looks = body.looks.flatMap((look: Json) => Array(look.times).fill(look));
  const found = looks.map((look: Json) => scale.next(look));
  demand(differences(body.concurrency, found, '/concurrency'));
}

export async function runScenario({ body, values }: Vector, live: Live): Promise<void> {
  const queues = body.queues.map((queue: string) => [queue, `${queue}-${randomUUID()}`]);
  const names: Names = { ...values, ...Object.fromEntries(queues) };
  const client = new Queues(live);
  try {
    for (const [number, step] of body.steps.entries()) {
      const became = await becameOf(client, live, step, names);
      check(resolved({ returns: step.returns, raises: step.raises }, names), became, `step ${number}, ${step.op}: `);
      if (step.as !== undefined) names[step.as] = became.returns;
    }
  } finally {
    await client.close();
  }
}

async function becameOf(client: Queues, live: Live, step: Json, names: Names): Promise<Json> {
  if (step.op === 'kill') {
    await live.kill();
    return { returns: {} };
  }
  if (step.op === 'consume') return { returns: await consume(live, resolved(step.args, names)) };
  if (step.times === undefined) return outcomeOf(client, { op: step.op, args: resolved(step.args, names) });
  let ended = 0;
  let killing: Promise<void> | undefined;
  const calls = Array.from({ length: step.times }, async (_, index) => {
    const became = await outcomeOf(client, { op: step.op, args: resolved(step.args, { ...names, index }) });
    if (became.raises !== undefined) throw new Error(JSON.stringify(became.raises));
    if (++ended === step.killAfter) killing = live.kill();
    return became.returns;
  });
  const all = await Promise.all(calls);
  await killing;
  return { returns: { all } };
}

/** Between tries the client does what `sleep` does, and chance is the policy's. */
function wait(client: Queues, sleep: (seconds: number) => Promise<void>, policy?: RetryPolicy): void {
  const { transport } = client as unknown as { transport: { sleep: unknown; policy: unknown } };
  transport.sleep = sleep;
  if (policy !== undefined) transport.policy = policy;
}

function check(expected: Json, became: Json, at = ''): void {
  const raises = expected.raises !== undefined && expected.raises !== null;
  if (raises !== (became.raises !== undefined)) throw new Error(`${at}it ended as ${JSON.stringify(became)}`);
  const found = raises
    ? differences(expected.raises, became.raises, `${at}/raises`)
    : differences(expected.returns ?? {}, became.returns, `${at}/returns`);
  demand(found);
}

/** What the hook was told, where the vector says so. */
function checkTold({ told }: Json, events: Called[]): void {
  if (told !== undefined) demand(differences(told, events.map(toldOf), '/told'));
}

function checkRequests(exchanges: Json[], asked: Asked[]): void {
  demand(differences(exchanges.length, asked.length, '/requests'));
  exchanges.forEach((exchange, at) => {
    demand(differences(exchange.request, told(asked[at] as Asked), '/request', true));
  });
}

function demand(found: string[]): void {
  if (found.length > 0) throw new Error(found.join('\n'));
}
