/**
 * The vectors of spec/vectors: read, references and generators written out, results held against what is expected.
 *
 * Knows the format of spec/vectors/README.md and nothing of the SDK.
 */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

// biome-ignore lint/suspicious/noExplicitAny: JSON is what it is.
export type Json = any;
export type Names = Record<string, Json>;

/** One vector, and the values its file names. */
export interface Vector {
  id: string;
  body: Json;
  values: Names;
}

/** All of a kind, those that kill the server last. */
export function vectorsOf(root: string, kind: string): Vector[] {
  const folder = path.join(root, kind);
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const vectors = files.sort().flatMap((name) => {
    const { values = {}, vectors } = JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
    return vectors.map((body: Json) => ({ id: `${kind}/${name}: ${body.name}`, body, values }));
  });
  return vectors.sort((one, other) => Number(kills(one)) - Number(kills(other)));
}

function kills({ body }: Vector): boolean {
  return (body.needs ?? []).includes('kill');
}

/** The value with its references and generators written out; matchers stay. */
export function resolved(value: Json, names: Names): Json {
  if (typeof value === 'string' && value.startsWith('$')) {
    return value.startsWith('$$') ? value.slice(1) : lookedUp(value.slice(1).split('.'), names);
  }
  if (Array.isArray(value)) return value.map((item) => resolved(item, names));
  if (typeof value !== 'object' || value === null) return value;
  const [[name, argument] = ['', undefined], ...more] = Object.entries(value);
  const generator = more.length === 0 ? GENERATORS[name] : undefined;
  if (generator !== undefined) return generator(argument, names);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, resolved(member, names)]));
}

function lookedUp(steps: string[], names: Names): Json {
  const value = steps.reduce((found: Json, step) => found[step], names);
  return steps.length === 1 ? resolved(value, names) : value;
}

const GENERATORS: Record<string, (argument: Json, names: Names) => Json> = {
  $with: (argument, names) => Object.assign({}, ...resolved(argument, names)),
  $without: (argument, names) => {
    const [base, leftOut] = resolved(argument, names);
    return Object.fromEntries(Object.entries(base).filter(([name]) => !leftOut.includes(name)));
  },
  $repeat: (argument, names) => {
    const [text, times] = resolved(argument, names);
    return text.repeat(times);
  },
  $join: (argument, names) => resolved(argument, names).join(''),
  $nested: (depth) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)),
  $times: ([times, value], names) => Array.from({ length: times }, (_, index) => resolved(value, { ...names, index })),
};

/** Where they differ; none: it holds. `whole`: nothing may be there that is not expected. */
export function differences(expected: Json, actual: Json, at = '', whole = false): string[] {
  if (Array.isArray(expected)) {
    if (!hasLength(actual, expected.length))
      return [`${at}: expected ${expected.length} elements, got ${shown(actual)}`];
    return expected.flatMap((one, index) => differences(one, actual[index], `${at}/${index}`, whole));
  }
  if (typeof expected === 'object' && expected !== null) {
    const [[name, argument] = ['', undefined], ...more] = Object.entries(expected);
    const matcher = more.length === 0 ? MATCHERS[name] : undefined;
    if (matcher === undefined) return objectDifferences(expected, actual, at, whole);
    return matcher(argument, actual) ? [] : [`${at}: expected ${shown(expected)}, got ${shown(actual)}`];
  }
  const same = expected === actual || (expected === null && actual === undefined);
  return same ? [] : [`${at}: expected ${shown(expected)}, got ${shown(actual)}`];
}

function objectDifferences(expected: Json, actual: Json, at: string, whole: boolean): string[] {
  if (typeof actual !== 'object' || actual === null) return [`${at}: expected an object, got ${shown(actual)}`];
  const unexpected = whole ? Object.keys(actual).filter((name) => !(name in expected)) : [];
  const missing = whole ? Object.keys(expected).filter((name) => !(name in actual)) : [];
  return [
    ...unexpected.map((name) => `${at}/${name}: not expected`),
    ...missing.map((name) => `${at}/${name}: missing`),
    ...Object.entries(expected).flatMap(([name, value]) => differences(value, actual[name], `${at}/${name}`, whole)),
  ];
}

const MATCHERS: Record<string, (argument: Json, actual: Json) => boolean> = {
  $any: (_, actual) => actual !== undefined && actual !== null,
  $match: (pattern, actual) => typeof actual === 'string' && new RegExp(`^(?:${pattern})$`, 'u').test(actual),
  $between: ([least, most], actual) => typeof actual === 'number' && least <= actual && actual <= most,
  $length: (length, actual) => hasLength(actual, length),
  $unordered: (expected, actual) => hasLength(actual, expected.length) && holdsAll(expected, [...actual]),
};

function holdsAll(expected: Json[], left: Json[]): boolean {
  return expected.every((one) => {
    const place = left.findIndex((other) => differences(one, other).length === 0);
    if (place >= 0) left.splice(place, 1);
    return place >= 0;
  });
}

function hasLength(value: Json, length: number): boolean {
  return Array.isArray(value) && value.length === length;
}

function shown(value: Json): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length <= 600 ? text : `${text.slice(0, 600)}... (${text.length} characters)`;
}
