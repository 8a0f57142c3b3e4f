/**
 * In place of a server: hands out the messages a test puts, and records how they were settled. It implements no rule of the
 * queue: what the rules do is tested against the real server.
 */

import { Queues, type QueuesOptions } from '../src/index.js';

const NOW = '2026-01-02T03:04:05.678Z';
const LATER = '2100-01-01T00:00:00.000Z';

// biome-ignore lint/suspicious/noExplicitAny: JSON is what it is.
type Json = any;

export interface Asked {
  method: string;
  path: string;
  query: Record<string, string>;
  body: Json;
}

/** What is answered: JSON with 200, a Response, or an error to throw. */
type Answer = Json | Response | Error;

export function problem(status: number, code: string, fields: Json = {}): Response {
  return Response.json({ code, detail: `${code} it is`, status, ...fields }, { status });
}

export function message(payload: Json, fields: Json = {}): Json {
  const id = `m-${payload}`;
  const times = { enqueuedAt: NOW, leasedUntil: LATER };
  const counters = { priority: 1, deliveries: 1, attempts: 0 };
  return { id, receipt: `r-${payload}`, queue: 'q', payload, metadata: {}, ...times, ...counters, ...fields };
}

export class Broker {
  readonly asked: Asked[] = [];
  readonly acks: Json[] = [];
  readonly nacks: Json[] = [];
  readonly releases: Json[] = [];
  readonly extends: Json[] = [];
  readonly members: string[] = [];
  /** Answered in place of what follows, once each. */
  readonly next: Answer[] = [];
  extendError: Json;
  settleError: Json;
  private readonly waiting: Json[] = [];
  private watchers: (() => void)[] = [];

  constructor(private readonly config: Json = {}) {}

  client(options: QueuesOptions = {}): Queues {
    return new Queues({ apiKey: 'key', url: 'http://stand-in', fetch: this.fetch, ...options });
  }

  /** Messages for the next receives; anything that is not a message is answered as it is. */
  put(...messages: Answer[]): void {
    this.waiting.push(...messages);
    this.changed();
  }

  /** Resolves when something that was asked made it true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.watchers.push(resolve));
  }

  private changed(): void {
    for (const watcher of this.watchers.splice(0)) watcher();
  }

  readonly fetch: typeof globalThis.fetch = async (input, init = {}) => {
    const url = new URL(String(input));
    const body = init.body === undefined ? undefined : JSON.parse(String(init.body));
    const asked = { method: init.method ?? '', path: url.pathname, query: Object.fromEntries(url.searchParams), body };
    this.asked.push(asked);
    this.changed();
    const answer = this.next.shift() ?? (await this.answer(asked, init.signal));
    if (answer instanceof Error) throw answer;
    return answer instanceof Response ? answer : Response.json(answer);
  };

  private async answer(asked: Asked, signal: AbortSignal | null | undefined): Promise<Answer> {
    if (asked.path.endsWith('/settle')) return this.settle(asked.body);
    if (asked.path.endsWith('/ack')) return this.acknowledge(asked);
    if (asked.path.includes('/members/')) {
      this.members.push(asked.method);
      this.changed();
      return asked.method === 'PUT' ? { sessionUntil: LATER } : { released: 0 };
    }
    if (asked.path.endsWith('/messages') && asked.method === 'GET') return this.receive(asked, signal);
    const config = { visibilityTimeout: 30, sessionTimeout: 30, ...this.config };
    return { name: 'q', config, createdAt: NOW, counts: { ready: this.waiting.length }, members: [] };
  }

  private async receive({ query }: Asked, signal: AbortSignal | null | undefined): Promise<Answer> {
    signal?.addEventListener('abort', () => this.changed());
    while (this.waiting.length === 0) {
      await new Promise<void>((resolve) => this.watchers.push(resolve));
      signal?.throwIfAborted();
    }
    if (this.waiting[0]?.receipt === undefined) return this.waiting.shift();
    return { messages: this.waiting.splice(0, Number(query.maxMessages)) };
  }

  private settle({ acks = [], nacks = [], releases = [], extends: extensions = [] }: Json): Json {
    this.acks.push(...acks);
    this.nacks.push(...nacks);
    this.releases.push(...releases);
    this.extends.push(...extensions);
    this.changed();
    const ended = (entries: Json[], result: Json) => entries.map(() => this.settleError ?? result);
    return {
      acks: ended(acks, { state: 'acked', already: false }),
      nacks: ended(nacks, { state: 'ready' }),
      releases: ended(releases, { state: 'ready' }),
      extends: extensions.map(() => this.extendError ?? { leasedUntil: LATER }),
    };
  }

  private acknowledge({ path, body }: Asked): Answer {
    this.acks.push({ id: path.split('/')[3], ...body });
    this.changed();
    return { state: 'acked', already: false };
  }
}
