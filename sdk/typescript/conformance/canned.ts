/** A server that answers what a vector says, over real HTTP; and a `fetch` whose connections break as it says. */

import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Json } from './vectors.js';

/** A request as it was sent. */
export interface Asked {
  method: string;
  target: string;
  headers: IncomingHttpHeaders;
  body: string | undefined;
}

/** As the vectors say it. */
export function told({ method, target, body }: Asked): Json {
  const [path, query] = target.split('?');
  const said: Json = { method, path };
  if (query !== undefined) said.query = Object.fromEntries(new URLSearchParams(query));
  if (body !== undefined) said.body = JSON.parse(body);
  return said;
}

function bodyOf(response: Json): string {
  return response.text ?? JSON.stringify(response.body);
}

/** Runs `use` with the URL of a server that gives each response once, and the requests that came so far. */
export async function withServer(
  responses: Json[],
  use: (url: string, asked: Asked[]) => Promise<void>,
): Promise<void> {
  const left = [...responses];
  const asked: Asked[] = [];
  const server = createServer(async (request, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString() || undefined;
    asked.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers, body });
    const response = left.shift() ?? { status: 418, text: 'one request too many' };
    answer.writeHead(response.status, { 'Content-Type': 'application/json', ...response.headers });
    answer.end(bodyOf(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** In place of `fetch`: gives each response once. */
export class CannedFetch {
  readonly asked: Asked[] = [];
  /** When given, the first request waits for it. */
  held: Promise<void> | undefined;

  constructor(private readonly responses: Json[]) {}

  readonly fetch: typeof globalThis.fetch = async (input, init = {}) => {
    const { pathname, search } = new URL(String(input));
    const body = init.body === undefined ? undefined : String(init.body);
    this.asked.push({ method: init.method ?? '', target: pathname + search, headers: {}, body });
    const response = this.responses[this.asked.length - 1];
    if (response === undefined) throw new Error(`one request too many: ${init.method} ${pathname}`);
    if (this.asked.length === 1) await this.held;
    if ('connection' in response) return broken(response.connection, init.signal);
    return new Response(bodyOf(response), { status: response.status, headers: response.headers ?? {} });
  };
}

/** What Node's fetch does when it can't connect, when a connection breaks, and when it is aborted. */
async function broken(how: string, signal: AbortSignal | null | undefined): Promise<never> {
  if (how === 'refused')
    throw new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) });
  if (how === 'broken')
    throw new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'UND_ERR_SOCKET' }) });
  await new Promise((resolve) => signal?.addEventListener('abort', resolve));
  throw signal?.reason;
}
