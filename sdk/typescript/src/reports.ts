/** What a consumer tells the program it is part of: to its hooks, or to the console. A hook that fails stops nothing. */

import { type Handled, type Registration, Reject, Retry } from './consuming.js';
import type { Message } from './models.js';

/** The hooks of one registration. */
export class Reports {
  constructor(private readonly options: Registration) {}

  /** A message failed, or (undefined) something of the consumer itself. */
  failed(error: unknown, message: Message | undefined): void {
    const { onError, queue } = this.options;
    if (onError !== undefined) this.hook(() => onError(error, message));
    else if (message === undefined) console.warn(`consumer of ${queue}:`, error);
    // The handler meant it: where it says so is no news.
    else if (error instanceof Retry) console.warn(`message ${message.id} of ${queue} failed: ${error}`);
    else if (error instanceof Reject) console.error(`message ${message.id} of ${queue} failed: ${error}`);
    else console.error(`message ${message.id} of ${queue} failed:`, error);
  }

  handled(event: Handled): void {
    const { onHandled } = this.options;
    if (onHandled !== undefined) this.hook(() => onHandled(event));
  }

  private hook(call: () => unknown): void {
    void (async () => call())().catch((error) => {
      console.error(`a hook of the consumer of ${this.options.queue} failed:`, error);
    });
  }
}
