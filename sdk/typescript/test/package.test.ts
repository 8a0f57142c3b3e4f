/** The package as users have it: what the README shows runs, from ESM and from CommonJS, and the types are right. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import * as own from '../src/index.js';
import { Server } from './server.js';

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const README = readFileSync('README.md', 'utf8');
const BLOCKS = [...README.matchAll(/(?:<!-- (\S+) -->\n)?```(typescript|javascript)\n(.*?)```/gs)];
const API_KEY = 'your-api-key';

let server: Server | undefined;
before(async () => {
  server = await Server.start(API_KEY);
});
after(() => server?.stop());

/** What a program of the folder examples prints. TypeScript was compiled, and imports the package by its name. */
async function printed(name: string, ...flags: string[]): Promise<string> {
  const file = name.endsWith('.ts') ? `build/examples/${name.replace(/\.ts$/, '.js')}` : `examples/${name}`;
  const env = { ...process.env, HANZO_URL: server?.url, HANZO_API_KEY: API_KEY };
  return (await run(process.execPath, [...flags, file], { env, timeout: 30_000 })).stdout;
}

test('the blocks of the README are the files of examples', () => {
  assert.ok(BLOCKS.length >= 7);
  for (const [, file, , code] of BLOCKS) {
    assert.ok(file !== undefined, `a block of no file: ${code}`);
    assert.equal(code, readFileSync(file, 'utf8'), file);
  }
});

test('the quickstart', async () => {
  assert.equal(await printed('quickstart.ts'), 'sending to ada@example.com\n');
});

test('images, as it is written', async () => {
  const told = await printed('images.ts', '--import', './test/images-setup.mjs');
  assert.match(told, /^processed 3: .*"operations":\["resize","compress"\]/);
});

test('a worker', async () => {
  const told = await printed('worker.ts');
  assert.match(told, /ada@example.com alan@example.com grace@example.com\n$/);
  assert.match(told, /rejected in .*/);
  assert.match(told, /released in .*/);
  assert.match(told, /retried in .*/);
});

test('metrics', async () => {
  assert.equal(await printed('metrics.ts'), '0 of 10 handlers run\n1 1 0 1\n');
});

for (const name of ['batches.ts', 'by-hand.ts', 'errors.ts']) {
  test(name, async () => {
    await printed(name);
  });
}

test('CommonJS', async () => {
  assert.match(await printed('commonjs.cjs'), /^\[( 'emails: \d ready',?.*)?\]/s);
});

test('ESM and CommonJS give the same names', async () => {
  const names = Object.keys(own).sort();
  assert.deepEqual(Object.keys(require('@hanzo/sdk')).sort(), names);
  const imported = await import('@hanzo/sdk');
  assert.deepEqual(Object.keys(imported).sort(), names);
});

test('the version is one', () => {
  const { version, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  assert.equal(own.VERSION, version);
  assert.equal(dependencies, undefined);
  assert.match(readFileSync('../../Cargo.toml', 'utf8'), new RegExp(`^version = "${version}"$`, 'm'));
});
