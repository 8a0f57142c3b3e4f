/** The SDK of Hanzo Queues, a durable work queue. */

export type { Called, OnCall } from './called.js';
export type { CallOptions, QueuesOptions } from './calls.js';
export type { Backoff, Fairness, QueueConfig, QueueConfigInput, RateLimit, Scheduling } from './config.js';
export { Consumer, type StopOptions } from './consumer.js';
export {
  type BatchConsumeOptions,
  type BatchHandler,
  type ConsumeOptions,
  type Handled,
  type HandledAs,
  type Handler,
  type HandlerContext,
  Limited,
  Reject,
  Retry,
} from './consuming.js';
export {
  ApiError,
  ClientClosed,
  type Fault,
  Interrupted,
  type Outcome,
  OutcomeUnknown,
  QueuesError,
  ReceiptUnknown,
  ServerUnreachable,
} from './errors.js';
export type { Group, Member, MemberOptions } from './group-calls.js';
export type {
  AckOptions,
  ExtendOptions,
  FollowUp,
  NackOptions,
  ReceiveOptions,
  ReleaseOptions,
} from './lease-calls.js';
export type {
  EnqueueBatchOptions,
  EnqueueOptions,
  ExplainOptions,
  NewMessage,
  PeekOptions,
  UpdateMessageOptions,
} from './message-calls.js';
export type {
  AckResult,
  DeadLetter,
  DoneMessage,
  EnqueueResult,
  EntryResult,
  Explanation,
  Message,
  MessageFields,
  MessageView,
  NackResult,
  Peeked,
  QueueCounts,
  QueueInfo,
  Reason,
  Received,
  ReleaseResult,
} from './models.js';
export type { CreateOptions, ListOptions, PauseOptions, UpdateOptions } from './queue-calls.js';
export { Queues } from './queues.js';
export * from './spec.js';
export type {
  CancelMessagesOptions,
  Filter,
  RedriveOptions,
  Sweep,
  SweepOptions,
  UpdateMessagesOptions,
  WaitOptions,
} from './sweep-calls.js';
export { VERSION } from './version.js';
