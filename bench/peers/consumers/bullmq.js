// BullMQ's worker in Node: `node bullmq.js fill|work --address redis://... --expected N --ids FILE`, as the others.
'use strict';

const fs = require('node:fs');
const { performance } = require('node:perf_hooks');
const { Queue, Worker } = require('bullmq');
const Redis = require('ioredis');

const NAME = 'bench';
const CONCURRENCY = 100;
const BULK = 1000;
const PAYLOAD = 'x'.repeat(1022);

const mode = process.argv[2];
const words = process.argv.slice(3);
const option = (name) => words[words.indexOf(`--${name}`) + 1];
const expected = Number(option('expected'));
const connect = () => new Redis(option('address'), { maxRetriesPerRequest: null });

async function fill() {
  const queue = new Queue(NAME, { connection: connect(), defaultJobOptions: { removeOnComplete: true } });
  const ids = [];
  for (let at = 0; at < expected; at += BULK) {
    const entries = Array.from({ length: Math.min(BULK, expected - at) }, () => ({ name: 'note', data: PAYLOAD }));
    for (const added of await queue.addBulk(entries)) ids.push(added.id);
  }
  await queue.close();
  return { ids, seconds: 1 };
}

async function work() {
  const connection = connect();
  const ids = [];
  let first = 0;
  let last = 0;
  await new Promise((resolve, reject) => {
    const worker = new Worker(
      NAME,
      async (taken) => {
        last = performance.now();
        if (ids.length === 0) first = last;
        ids.push(taken.id);
        if (ids.length === expected) setImmediate(() => worker.close().then(resolve, reject));
      },
      { connection, concurrency: CONCURRENCY },
    );
    worker.on('error', reject);
  });
  const queue = new Queue(NAME, { connection });
  const left = await queue.getJobCounts('waiting', 'active', 'failed');
  if (left.waiting || left.active || left.failed) throw new Error(`not all done: ${JSON.stringify(left)}`);
  await queue.close();
  return { ids, seconds: (last - first) / 1000 };
}

(mode === 'fill' ? fill() : work()).then(({ ids, seconds }) => {
  fs.writeFileSync(option('ids'), ids.join('\n'));
  console.log(JSON.stringify({ requests: ids.length, messages: ids.length, seconds, p50_ms: 0, p99_ms: 0 }));
  process.exit(0);
});
