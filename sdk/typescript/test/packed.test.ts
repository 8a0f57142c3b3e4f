/** The package as a new user has it: packed, and installed in a folder where nothing else is. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { VERSION } from '../src/index.js';
import { Server } from './server.js';

const run = promisify(execFile);
const API_KEY = 'your-api-key';
const folder = mkdtempSync(path.join(tmpdir(), 'hanzo-packed-'));
const tsc = path.resolve('node_modules/typescript/bin/tsc');

let server: Server | undefined;
before(async () => {
  server = await Server.start(API_KEY);
  await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder]);
  await here('npm', 'init', '-y');
  await here('npm', 'pkg', 'set', 'type=module');
  await here('npm', 'install', '--offline', '--no-audit', '--no-fund', `./hanzo-sdk-${VERSION}.tgz`);
});
after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

async function here(command: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, HANZO_URL: server?.url, HANZO_API_KEY: API_KEY };
  return (await run(command, args, { cwd: folder, env, timeout: 50_000 })).stdout;
}

/** A file of the folder, with what an example shows. */
function write(name: string, example: string): string {
  copyFileSync(path.join('examples', example), path.join(folder, name));
  return name;
}

test('the quickstart', async () => {
  assert.equal(await here('node', write('quickstart.js', 'quickstart.ts')), 'sending to ada@example.com\n');
});

test('images, to the letter', async () => {
  copyFileSync('test/images-setup.mjs', path.join(folder, 'setup.mjs'));
  const told = await here('node', '--import', './setup.mjs', write('images.js', 'images.ts'));
  assert.match(told, /^processed 3: /);
});

test('CommonJS', async () => {
  assert.match(await here('node', write('list.cjs', 'commonjs.cjs')), /^\[/);
});

test('its types are right for whoever checks all of them, from ESM and from CommonJS', async () => {
  for (const name of ['images.ts', 'program.d.ts']) write(name, name);
  const program = "import { Queues } from '@hanzo/sdk';\nexport const made: Queues = new Queues();\n";
  writeFileSync(path.join(folder, 'typed.cts'), program);
  const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false'];
  const target = ['--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom'];
  await here('node', tsc, ...strict, ...target, 'images.ts', 'program.d.ts', 'typed.cts');
});

test('it holds what it needs, and no more', async () => {
  const installed = path.join(folder, 'node_modules/@hanzo/sdk');
  const { exports, dependencies } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
  assert.equal(dependencies, undefined);
  for (const { types, default: code } of Object.values<{ types: string; default: string }>(exports['.'])) {
    assert.ok(readFileSync(path.join(installed, types)).length > 0);
    assert.ok(readFileSync(path.join(installed, code)).length > 0);
  }
  assert.match(await here('npm', 'ls', '--all', '--parseable'), /^[^\n]+\n[^\n]+@hanzo\/sdk\n$/);
});

test('a browser', async () => {
  const env = { ...process.env, HANZO_URL: server?.url, HANZO_API_KEY: API_KEY };
  const flags = ['--experimental-vm-modules', '--no-warnings', 'test/browser.mjs'];
  assert.equal((await run(process.execPath, flags, { env, timeout: 30_000 })).stdout, '1 2 3\n');
});
