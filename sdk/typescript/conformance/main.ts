/** The driver: runs every vector, prints each that failed, writes the report. See spec/vectors/README.md. */

import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Live } from './consuming.js';
import { runRetry, runScaling, runScenario, runSharing, runWire } from './running.js';
import { type Vector, vectorsOf } from './vectors.js';

const ROOT = path.resolve(process.env.CONFORMANCE_VECTORS ?? '../../spec/vectors');
const { CONFORMANCE_URL, CONFORMANCE_KEY = '', CONFORMANCE_CONTROL, CONFORMANCE_REPORT } = process.env;

/** Abilities that are not there, and why. */
const MISSING: Record<string, string> = {
  integers64: 'a number of JavaScript holds integers up to 2^53',
  ...(CONFORMANCE_CONTROL === undefined ? { kill: 'no server that can be killed' } : {}),
};

const counts = { passed: 0, failed: 0, skipped: 0 };

function report(vector: Vector, result: keyof typeof counts, reason = ''): void {
  counts[result]++;
  if (result === 'failed') console.error(`FAILED ${vector.id}\n  ${reason.replaceAll('\n', '\n  ')}`);
  if (CONFORMANCE_REPORT === undefined) return;
  appendFileSync(CONFORMANCE_REPORT, `${JSON.stringify({ vector: vector.id, result, reason })}\n`);
}

async function runAll(kind: string, run: (vector: Vector) => Promise<void>, without?: string): Promise<void> {
  for (const vector of vectorsOf(ROOT, kind)) {
    const missing = without ?? (vector.body.needs ?? []).map((need: string) => MISSING[need]).find(Boolean);
    if (missing !== undefined) {
      report(vector, 'skipped', missing);
      continue;
    }
    try {
      await run(vector);
      report(vector, 'passed');
    } catch (error) {
      report(vector, 'failed', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }
}

const live: Live = {
  url: CONFORMANCE_URL ?? '',
  apiKey: CONFORMANCE_KEY,
  kill: async () => {
    const answer = await fetch(CONFORMANCE_CONTROL ?? '', { method: 'POST' });
    if (!answer.ok) throw new Error(`the server did not come back: ${answer.status}`);
  },
};

if (CONFORMANCE_REPORT !== undefined) writeFileSync(CONFORMANCE_REPORT, '');
await runAll('wire', runWire);
await runAll('retry', runRetry);
await runAll('sharing', runSharing);
await runAll('scaling', runScaling);
await runAll(
  'scenario',
  (vector) => runScenario(vector, live),
  CONFORMANCE_URL === undefined ? 'no server' : undefined,
);
console.log(`TypeScript: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 ? 0 : 1;
