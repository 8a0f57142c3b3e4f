/**
 * One HTTP exchange: bytes out, status, headers and text in.
 *
 * Knows `fetch`, and turns its failures into `ServerUnreachable` with an outcome. Never repeats anything: the transport
 * does.
 */

import type { Access } from './access.js';
import { ServerUnreachable } from './errors.js';
import { VERSION } from './version.js';
import { linked } from './waiting.js';

export type Fetch = typeof globalThis.fetch;

export interface Answer {
  status: number;
  /** A header's value, its name in any case. */
  header(name: string): string | null;
  body: string;
}

/** Carries one request. `target` is the encoded path and query; `within`: seconds for all of it. */
export type Exchange = (
  method: string,
  target: string,
  body: string | undefined,
  within: number,
  signal?: AbortSignal,
) => Promise<Answer>;

/** An exchange over `fetch`. Throws ServerUnreachable, and the signal's reason when that is aborted. */
export function exchangeOver(access: Access, fetch: Fetch): Exchange {
  const headers = {
    Accept: 'application/json',
    Authorization: `Bearer ${access.apiKey}`,
    'User-Agent': `hanzo-queues-typescript/${VERSION}`,
  };
  const headersJson = { ...headers, 'Content-Type': 'application/json' };
  return async (method, target, body, within, signal) => {
    signal?.throwIfAborted();
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), within * 1000);
    const ending = linked(over.signal, signal);
    try {
      const response = await fetch(access.url + target, {
        method,
        headers: body === undefined ? headers : headersJson,
        redirect: 'manual',
        signal: ending.signal,
        ...(body === undefined ? {} : { body }),
      });
      const { status } = response;
      return { status, header: (name) => response.headers.get(name), body: await response.text() };
    } catch (error) {
      signal?.throwIfAborted();
      if (over.signal.aborted) throw unreachable(`no answer from ${access.url} within ${within} s`, error, 'unknown');
      if (neverConnected(error)) {
        throw unreachable(`no connection to ${access.url}: ${told(error)}. Does the server run there?`, error, 'none');
      }
      throw unreachable(`the connection to ${access.url} broke: ${told(error)}`, error, 'unknown');
    } finally {
      clearTimeout(timer);
      ending.release();
    }
  };
}

function unreachable(message: string, cause: unknown, outcome: 'none' | 'unknown'): ServerUnreachable {
  return new ServerUnreachable(message, { cause, outcome });
}

/** Codes of what fails before anything is sent, as Node and Bun name them. */
const BEFORE_SENDING =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ConnectionRefused|FailedToOpenSocket)$/;

/** A browser does not say, so there the outcome is unknown. */
function neverConnected(error: unknown): boolean {
  const { code, cause, message } = error as { code?: unknown; cause?: unknown; message?: unknown };
  if (BEFORE_SENDING.test(String(code)) || /tcp connect error|dns error/.test(String(message))) return true;
  return cause !== undefined && cause !== null && neverConnected(cause);
}

function told(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string };
  return cause?.message || cause?.code || message || String(error);
}
