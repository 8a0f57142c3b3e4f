/**
 * Which server, and with which key.
 *
 * The key a server generated for itself is found in its data directory, but only sent to this machine: a local key must
 * not leak to wherever HANZO_URL points. Where there are no files or variables (a browser), there is nothing to find.
 */

import { builtin, environment } from './platform.js';

const DEFAULT_URL = 'http://localhost:8080';

export interface Access {
  /** Without a trailing slash. */
  url: string;
  apiKey: string;
}

/** Arguments go before HANZO_URL and HANZO_API_KEY, these before the defaults. Throws a TypeError. */
export function findAccess(url: string | undefined, apiKey: string | undefined, env = environment()): Access {
  const base = parsed(url || env.HANZO_URL || DEFAULT_URL);
  const key = apiKey || env.HANZO_API_KEY || (isLocal(base) ? generatedKey(env) : undefined);
  if (!key) {
    throw new TypeError(
      'no API key: pass { apiKey }, set HANZO_API_KEY, or run on the machine (and as the user) of a server that ' +
        'generated its own',
    );
  }
  if (!/^[!-~]+$/.test(key)) throw new TypeError('the API key has a character that no key has; was it copied whole?');
  return { url: base.origin + base.pathname.replace(/\/+$/, ''), apiKey: key };
}

function parsed(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new TypeError(`url is '${text}'; it must be like ${DEFAULT_URL}`);
  }
  return url;
}

function isLocal(url: URL): boolean {
  return url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d+){3}$/.test(url.hostname);
}

/** What `hanzo-queues key` prints: the file where the server keeps the key it made. */
function generatedKey(env: ReturnType<typeof environment>): string | undefined {
  const files = builtin('node:fs');
  const home = builtin('node:os')?.homedir();
  if (files === undefined || home === undefined) return undefined;
  const directory = env.HANZO_DATA_DIR || `${env.XDG_DATA_HOME || `${home}/.local/share`}/hanzo-queues`;
  try {
    return files.readFileSync(`${directory}/api-key`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
