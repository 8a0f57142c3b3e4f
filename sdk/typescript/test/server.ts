/** A server of the tests' own: a process on a free port, its data in a temporary folder. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PYTHON = process.env.HANZO_PYTHON ?? path.resolve('../../.venv/bin/python');

/** The caller's environment without settings of a server it may run itself. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const foreign = ['NATS_URL', 'REDIS_URL', 'MAX_BATCH_SIZE', 'DEFAULT_VISIBILITY_TIMEOUT', 'DEFAULT_MAX_RETRIES'];
  return Object.fromEntries(Object.entries(env).filter(([name]) => !foreign.includes(name) && !name.includes('HANZO')));
}

export class Server {
  private log = '';

  private constructor(
    readonly url: string,
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {}

  /** Resolves when it is ready. */
  static async start(apiKey: string): Promise<Server> {
    const folder = await mkdtemp(path.join(tmpdir(), 'hanzo-sdk-'));
    const port = await freePort();
    const env = {
      ...withoutSettings(process.env),
      HANZO_API_KEYS: apiKey,
      HANZO_DATA_DIR: path.join(folder, 'data'),
      HOST: '127.0.0.1',
      PORT: String(port),
    };
    const command = path.join(path.dirname(PYTHON), 'hanzo-queues');
    const child = spawn(command, ['serve'], { env, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const server = new Server(`http://127.0.0.1:${port}`, child, folder);
    child.stderr.on('data', (text) => {
      server.log += text;
    });
    await server.ready();
    return server;
  }

  private async ready(): Promise<void> {
    while (this.process.exitCode === null) {
      const answer = await fetch(`${this.url}/health/ready`).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(20); // there is no event for it
    }
    throw new Error(`the server ended with ${this.process.exitCode}: ${this.log}`);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null) {
      this.process.kill('SIGTERM');
      await once(this.process, 'exit');
    }
    await rm(this.folder, { recursive: true });
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
