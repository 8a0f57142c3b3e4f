/** Waits that can be ended early, and events that can be awaited. */

import { builtin } from './platform.js';

const events = builtin('node:events');

/** Calls `listener` when the signal is aborted. Many calls may share one signal, at which Node would warn of a leak. */
export function onAbort(signal: AbortSignal, listener: () => void): void {
  events?.setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
}

/** Waits so many seconds. An aborted signal ends it with its reason. */
export type Sleep = (seconds: number, signal?: AbortSignal) => Promise<void>;

export const sleep: Sleep = (seconds, signal) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const end = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', end);
      resolve();
    }, seconds * 1000);
    if (signal !== undefined) onAbort(signal, end);
  });

/** A signal that is aborted when one of several is. Release it: a signal that lives long must not collect listeners. */
export function linked(...signals: (AbortSignal | undefined)[]): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const given = signals.filter((signal) => signal !== undefined);
  const abort = () => controller.abort(given.find((signal) => signal.aborted)?.reason);
  if (given.some((signal) => signal.aborted)) abort();
  for (const signal of given) onAbort(signal, abort);
  return {
    signal: controller.signal,
    release: () => {
      for (const signal of given) signal.removeEventListener('abort', abort);
    },
  };
}

/** A state that is set or not, and can be waited for. */
export class Event {
  private waiting: (() => void)[] = [];
  private isSet = false;

  set(): void {
    this.isSet = true;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  clear(): void {
    this.isSet = false;
  }

  wait(): Promise<void> {
    return this.isSet ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }
}

/** The promise's end, or the time's, or the signal's, whichever is first. True: the promise ended. */
export async function within(seconds: number, promise: Promise<unknown>, signal?: AbortSignal): Promise<boolean> {
  const ending = new AbortController();
  const over = sleep(seconds, ending.signal).catch(() => {});
  const aborted = new Promise<void>((resolve) => {
    if (signal?.aborted) resolve();
    signal?.addEventListener('abort', () => resolve(), { once: true, signal: ending.signal });
  });
  const ended = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([ended, over.then(() => false), aborted.then(() => false)]);
  } finally {
    ending.abort();
  }
}
