/** Queues: made, changed, looked at, paused, emptied, deleted. */

import { type CallOptions, Calls } from './calls.js';
import { checkedConfig, type QueueConfigInput } from './config.js';
import { type QueueInfo, queueOf } from './models.js';
import { encode, type Json, nothingElse, queueTarget, withQuery } from './wire.js';

export interface CreateOptions extends CallOptions {
  /** A letter or digit, then up to 127 letters, digits, dots, dashes, underscores. */
  name: string;
  /** What is left out has the server's default. */
  config?: QueueConfigInput | undefined;
}

export interface UpdateOptions extends CallOptions {
  name: string;
  /** The settings to change; the others stay. */
  config: QueueConfigInput;
}

export interface ListOptions extends CallOptions {
  /** Only queues whose names begin with this. */
  prefix?: string | undefined;
}

export interface PauseOptions extends CallOptions {
  enqueue?: boolean | undefined;
  receive?: boolean | undefined;
}

/** The part of a client that administers queues. */
export class QueueCalls extends Calls {
  /**
   * Makes a queue, or finds it there with an equal config; safe to call at every start. Throws `queue_conflict` when it
   * exists with another config, TypeError for a setting that does not exist.
   */
  async create({ name, config, signal, ...others }: CreateOptions): Promise<QueueInfo> {
    nothingElse(others, 'create');
    const body = encode(config === undefined ? { name } : { name, config: checkedConfig(config) });
    return queueOf(await this.call({ method: 'POST', target: '/v1/queues', body, safe: true, signal }));
  }

  /** Changes the given settings of a queue. Throws `queue_not_found`. */
  async update({ name, config, signal, ...others }: UpdateOptions): Promise<QueueInfo> {
    nothingElse(others, 'update');
    const body = encode({ config: checkedConfig(config) });
    return queueOf(await this.call({ method: 'PATCH', target: queueTarget(name), body, safe: true, signal }));
  }

  /**
   * Pauses a queue until `resume`; what is not named stays as it is. Safe to repeat. Leases go on: messages that were
   * handed out can be settled. Throws `queue_not_found`.
   *
   * `receive`: nothing is handed out, receives are empty, `limitedBy` 'paused', and consumers wait; default true.
   * `enqueue`: enqueues throw `queue_paused`, those of duplicates and of dead letters excepted; default false.
   */
  async pause(
    name: string,
    { enqueue = false, receive = true, signal, ...others }: PauseOptions = {},
  ): Promise<QueueInfo> {
    nothingElse(others, 'pause');
    return this.post(name, '/pause', { enqueue, receive }, signal);
  }

  /** Ends the pauses of a queue; one set to false stays. Consumers that wait get messages at once. Safe to repeat. */
  async resume(
    name: string,
    { enqueue = true, receive = true, signal, ...others }: PauseOptions = {},
  ): Promise<QueueInfo> {
    nothingElse(others, 'resume');
    return this.post(name, '/resume', { enqueue, receive }, signal);
  }

  private async post(name: string, rest: string, fields: Json, signal: CallOptions['signal']): Promise<QueueInfo> {
    const target = queueTarget(name, rest);
    return queueOf(await this.call({ method: 'POST', target, body: encode(fields), safe: true, signal }));
  }

  /**
   * Removes all messages of a queue, also leased ones (their receipts throw `lease_lost`), and returns how many these
   * were. The queue stays, and its dedup ids are remembered. Throws `queue_not_found`, and OutcomeUnknown when the answer
   * was lost: a repetition removes what came since.
   */
  async purge(name: string, { signal, ...others }: CallOptions = {}): Promise<number> {
    nothingElse(others, 'purge');
    const target = queueTarget(name, '/purge');
    return (await this.call({ method: 'POST', target, body: '{}', safe: false, signal })).messages;
  }

  /**
   * Deletes a queue with all its messages, and returns how many these were. Throws `queue_not_found`, and OutcomeUnknown
   * when the answer was lost.
   */
  async delete(name: string, { signal, ...others }: CallOptions = {}): Promise<number> {
    nothingElse(others, 'delete');
    return (await this.call({ method: 'DELETE', target: queueTarget(name), safe: false, signal })).messages;
  }

  /** A queue, with its counts. Throws `queue_not_found`. */
  async get(name: string, { signal, ...others }: CallOptions = {}): Promise<QueueInfo> {
    nothingElse(others, 'get');
    return queueOf(await this.call({ method: 'GET', target: queueTarget(name), safe: true, signal }));
  }

  /** All queues, by name. */
  async list({ prefix, signal, ...others }: ListOptions = {}): Promise<QueueInfo[]> {
    nothingElse(others, 'list');
    const found: QueueInfo[] = [];
    let after: string | undefined;
    do {
      const target = withQuery('/v1/queues', { prefix, after });
      const page = await this.call({ method: 'GET', target, safe: true, signal });
      found.push(...page.queues.map(queueOf));
      after = page.next ?? undefined;
    } while (after !== undefined);
    return found;
  }
}
