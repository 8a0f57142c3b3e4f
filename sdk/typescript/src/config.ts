/** A queue's settings. An unknown key is an error: a misspelt setting must never be silence. */

import type { Period, SchedulingMode } from './spec.js';
import { BACKOFF_NAMES, checkNames, type Json } from './wire.js';

/** So many `requests` per `per`, with `burst` at once after a pause. On dispatch, retries count too. */
export interface RateLimit {
  requests: number;
  per: Period;
  /** Default: `requests`. */
  burst?: number;
}

/** How the fairness keys of one priority share the queue. */
export interface Fairness {
  /** Turns by key, 1 for every other key. */
  weights: Record<string, number>;
  /** Messages of one key leased at the same time at most. null: no bound. */
  maxInFlight: number | null;
}

/** Choice among priorities: 'fair' lets waiting `agingSeconds` count as one level, 'strict' never does. */
export interface Scheduling {
  mode: SchedulingMode;
  agingSeconds: number;
}

/**
 * Seconds before the next delivery after a failed attempt: `initial * multiplier ** (attempts - 1)`, at most `max`, then
 * drawn from `1 - jitter` of it to all of it.
 */
export interface Backoff {
  initial: number;
  multiplier: number;
  max: number;
  jitter: number;
}

/** A queue's settings as the server holds them. All times are seconds. */
export interface QueueConfig {
  /** Deliveries that may follow a failed first one. Default 3. */
  maxRetries: number;
  /** Length of a lease when the receive names none. Default 30. */
  visibilityTimeout: number;
  /** Where a message goes that can't be delivered. null, the default: it stays, in state 'dead'. */
  deadLetterQueue: string | null;
  /** Limit on dispatch. */
  rateLimit: RateLimit | null;
  /** Limit on dispatch to each consumer. */
  consumerRateLimit: RateLimit | null;
  /** Limit on dispatch of each fairness key. */
  keyRateLimit: RateLimit | null;
  /** Limit on acceptance. */
  ingressLimit: RateLimit | null;
  fairness: Fairness;
  /** Messages the queue holds at most. null, the default: no bound. */
  maxMessages: number | null;
  /** Messages leased at the same time at most. null, the default: no bound. */
  maxInFlight: number | null;
  scheduling: Scheduling;
  backoff: Backoff;
  /** How long a dedup id is remembered. Default 300, 0: not at all. */
  dedupWindow: number;
  /** Delay of a message whose enqueue names none. Default 0. */
  delay: number;
  /** Time to live of a message whose enqueue names none. null, the default: for ever. */
  ttl: number | null;
  /** How long a message stays in state 'dead', and a dead letter in this queue, since its death. null, the default: for ever. */
  deadRetention: number | null;
  /** How long the result of an ack is kept. Default 86400, 0: not at all. */
  resultRetention: number;
  /** After so long without a sign of life a member of a consumer group is gone. Default 30. */
  sessionTimeout: number;
}

/** Settings to make or change a queue with; what is left out has the server's default, or stays as it is. */
export type QueueConfigInput = Partial<Omit<QueueConfig, 'fairness' | 'scheduling' | 'backoff'>> & {
  fairness?: Partial<Fairness>;
  scheduling?: Partial<Scheduling>;
  backoff?: Partial<Backoff>;
};

const RATE_LIMIT = ['requests', 'per', 'burst'];

/** Every setting, with the names inside it for a nested one. */
const NAMES: Record<keyof QueueConfig, readonly string[]> = {
  maxRetries: [],
  visibilityTimeout: [],
  deadLetterQueue: [],
  rateLimit: RATE_LIMIT,
  consumerRateLimit: RATE_LIMIT,
  keyRateLimit: RATE_LIMIT,
  ingressLimit: RATE_LIMIT,
  fairness: ['weights', 'maxInFlight'],
  maxMessages: [],
  maxInFlight: [],
  scheduling: ['mode', 'agingSeconds'],
  backoff: BACKOFF_NAMES,
  dedupWindow: [],
  delay: [],
  ttl: [],
  deadRetention: [],
  resultRetention: [],
  sessionTimeout: [],
};

/** The settings, all of whose names exist. Throws a TypeError. */
export function checkedConfig(config: QueueConfigInput): QueueConfigInput {
  checkNames(config, Object.keys(NAMES), 'config');
  for (const [name, inner] of Object.entries(NAMES)) {
    const value = config[name as keyof QueueConfig];
    if (inner.length > 0 && typeof value === 'object' && value !== null) checkNames(value, inner, `config.${name}`);
  }
  return config;
}

/** The settings of a queue, without those that only a newer server knows. */
export function configOf(json: Json): QueueConfig {
  return Object.fromEntries(
    Object.keys(NAMES)
      .filter((name) => name in json)
      .map((name) => [name, json[name]]),
  ) as unknown as QueueConfig;
}
