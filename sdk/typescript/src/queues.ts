/** The client. Puts the parts together, each of which has its verbs and no rule of its own. */

import { Consumer, type StopOptions } from './consumer.js';
import { type BatchConsumeOptions, type ConsumeOptions, registrationOf } from './consuming.js';
import { SweepCalls } from './sweep-calls.js';

/**
 * A client of one Hanzo Queues server.
 *
 * Every method throws a `QueuesError`: an `ApiError` of the server, or `ServerUnreachable` when no answer came. The client
 * repeats by itself what is safe to repeat.
 */
export class Queues extends SweepCalls {
  private readonly consumers = new Set<Consumer>();

  /**
   * Starts a consumer: the handler is called with each message of the queue, its lease is kept while it runs, and the
   * message is acked when it returns. Starts at once, needs not be awaited; see `Consumer` for its end.
   */
  // biome-ignore lint/suspicious/noExplicitAny: as in Message.
  consume<Payload = any>(options: BatchConsumeOptions<Payload>): Consumer;
  // biome-ignore lint/suspicious/noExplicitAny: as in Message.
  consume<Payload = any>(options: ConsumeOptions<Payload>): Consumer;
  consume(options: ConsumeOptions | BatchConsumeOptions): Consumer {
    const consumer = new Consumer(this, registrationOf(options), options.signal);
    this.consumers.add(consumer);
    const forget = () => this.consumers.delete(consumer);
    consumer.done.then(forget, forget);
    return consumer;
  }

  /**
   * Stops the consumers, whose handlers may finish within `grace` seconds (default 30), then ends all calls: those still
   * waiting throw ClientClosed.
   */
  async close(options: StopOptions = {}): Promise<void> {
    await Promise.all([...this.consumers].map((consumer) => consumer.stop(options)));
    this.end();
  }
}
