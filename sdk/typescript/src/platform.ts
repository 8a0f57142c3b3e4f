/** What the platform has, asked for in a way that no bundler has to know of: in a browser most of it is not there. */

type Environment = Record<string, string | undefined>;

interface Host {
  process?: { env?: Environment; pid?: number; getBuiltinModule?: (name: string) => unknown };
}

interface Modules {
  'node:fs': { readFileSync(path: string, encoding: string): string };
  'node:events': { setMaxListeners(most: number, ...targets: EventTarget[]): void };
  'node:os': { homedir(): string; hostname(): string };
}

export function environment(): Environment {
  return (globalThis as Host).process?.env ?? {};
}

export function builtin<Name extends keyof Modules>(name: Name): Modules[Name] | undefined {
  return (globalThis as Host).process?.getBuiltinModule?.(name) as Modules[Name] | undefined;
}

/** A name that nothing else has. */
export function newId(): string {
  return globalThis.crypto.randomUUID().replaceAll('-', '');
}

/** A name that no other consumer has, and that tells people where it runs. */
export function newConsumerId(): string {
  const host = builtin('node:os')?.hostname().slice(0, 128) ?? 'consumer';
  const pid = (globalThis as Host).process?.pid ?? 0;
  return `${host}-${pid}-${newId().slice(0, 8)}`;
}
