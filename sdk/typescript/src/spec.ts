// Codes, limits and enums. Generated from spec/ by `make docs`. Change it there.

/** What the server's limits are unless its settings say otherwise; the server decides. */
export const LIMITS = {
  /** Messages. */
  batchEntriesMax: 100,
  /** Bytes. */
  payloadBytesMax: 1048576,
  /** Bytes. */
  requestBytesMax: 8000000,
  /** Bytes. */
  metadataBytesMax: 65536,
  /** Bytes. */
  keyBytesMax: 256,
  /** Bytes. */
  errorBytesMax: 8192,
  /** Milliseconds. */
  waitTimeMsMax: 30000,
  /** Milliseconds. */
  visibilityTimeoutMsMax: 43200000,
  /** Milliseconds. */
  delayMsMax: 315360000000,
  /** Entries. */
  listLimitMax: 1000,
} as const;

/** Of every code: its status, whether the same request can succeed later, and what became of it. */
export const ERRORS = {
  /** The request is not valid. Correct what `errors` points at. Fields and bounds are in /openapi.json. */
  request_invalid: { status: 400, retryable: false, outcome: 'none' },
  /** The body is not JSON. Send one JSON object in UTF-8, without trailing text. The detail says where reading stopped. */
  json_invalid: { status: 400, retryable: false, outcome: 'none' },
  /** The request is not HTTP/1.1. Send plain HTTP/1.1: no TLS, no HTTP/2. Where a proxy stands between, check what it sends. */
  http_malformed: { status: 400, retryable: false, outcome: 'none' },
  /** The message id is not valid. Use the `id` of an enqueue or a receive as it came. */
  message_id_invalid: { status: 400, retryable: false, outcome: 'none' },
  /** The receipt is not valid. Use the `receipt` that came with this message in the last receive, unchanged. */
  receipt_invalid: { status: 400, retryable: false, outcome: 'none' },
  /** The queue name is not valid. Choose a name of that form, such as `email-notifications`. */
  queue_name_invalid: { status: 400, retryable: false, outcome: 'none' },
  /** The group name is not valid. Choose a name of that form, such as `audit`. */
  group_name_invalid: { status: 400, retryable: false, outcome: 'none' },
  /** The dead-letter queue is not valid. Name another queue, or null to keep dead messages in the queue itself. */
  dead_letter_queue_invalid: { status: 400, retryable: false, outcome: 'none' },
  /** A valid API key is needed. Send `Authorization: Bearer KEY` with a key of HANZO_API_KEYS, or the one that `hanzo-queues key` prints on the server's machine. */
  unauthorized: { status: 401, retryable: false, outcome: 'none' },
  /** There is no such path. Check the path against /openapi.json: no trailing slash, and the version `/v1` first. */
  route_not_found: { status: 404, retryable: false, outcome: 'none' },
  /** The path does not take this method. Use one of the methods in the `Allow` header. */
  method_not_allowed: { status: 405, retryable: false, outcome: 'none' },
  /** There is no such queue. Create it with POST /v1/queues, or correct the name. */
  queue_not_found: { status: 404, retryable: false, outcome: 'none' },
  /** There is no such consumer group. Create it with POST /v1/queues/{queue}/groups, or leave `consumerGroup` out: every queue has the group `default`. */
  group_not_found: { status: 404, retryable: false, outcome: 'none' },
  /** There is no such message. Nothing needs to be done when the message was acknowledged. A dead letter names its source id in `deadLetter.sourceId`. Begin a peek with its first page. */
  message_not_found: { status: 404, retryable: false, outcome: 'none' },
  /** The queue exists with other settings. Change its settings with PATCH /v1/queues/{queue}, or send the settings it has. */
  queue_conflict: { status: 409, retryable: false, outcome: 'none' },
  /** There are too many queues. Delete queues that are not needed, or tell messages apart by an ordering key or a field instead of a queue. */
  queues_exhausted: { status: 409, retryable: false, outcome: 'none' },
  /** The queue has too many consumer groups. Delete a group that is no longer read with DELETE /v1/queues/{queue}/groups/{group}. Consumers that share the work belong in one group. */
  groups_exhausted: { status: 409, retryable: false, outcome: 'none' },
  /** The group has too many members. Use one consumer id for all receives of a process. Members that are gone make room when their sessions end. */
  members_exhausted: { status: 429, retryable: true, outcome: 'none' },
  /** The group is the queue's own. Delete the queue, or leave its messages unread. */
  group_is_default: { status: 409, retryable: false, outcome: 'none' },
  /** The redrive or sweep does not exist. Use the id that its start answered. Ended ones are remembered for 7 days, the last 1000 of them. */
  sweep_not_found: { status: 404, retryable: false, outcome: 'none' },
  /** Too many redrives and sweeps are under way. Repeat the request when one has ended, or cancel one. */
  sweeps_exhausted: { status: 429, retryable: true, outcome: 'none' },
  /** The queue is paused. Repeat the request later, or resume the queue. */
  queue_paused: { status: 409, retryable: true, outcome: 'none' },
  /** The queue accepts no more for now. Repeat the request after the time that Retry-After tells, or raise `ingressLimit`. */
  rate_limited: { status: 429, retryable: true, outcome: 'none' },
  /** No more dedup ids can be remembered. Repeat the request when windows are over, shorten `dedupWindow`, or raise HANZO_DEDUP_MEMORY. */
  dedup_memory_full: { status: 429, retryable: true, outcome: 'none' },
  /** The queue is full. Repeat the request when messages are done, or raise `maxMessages`. An atomic batch of more messages than that never fits. */
  queue_full: { status: 429, retryable: true, outcome: 'none' },
  /** A consumer holds the message. Repeat the request when the lease has ended, or let its consumer settle it. */
  message_leased: { status: 409, retryable: true, outcome: 'none' },
  /** The message is dead. Redrive it, or delete it. */
  message_dead: { status: 409, retryable: false, outcome: 'none' },
  /** The dedup id was used with another payload. Give each distinct message its own dedup id: derive it from what the message is about. */
  dedup_conflict: { status: 409, retryable: false, outcome: 'none' },
  /** The lease has ended. Don't settle it again: unless it is done or gone, it is delivered again. Extend leases in time, or raise the queue's visibilityTimeout above the longest work. */
  lease_lost: { status: 409, retryable: false, outcome: 'none' },
  /** The batch was refused as a whole. Look at the entries whose `error` in `results` is another one than batch_aborted: correct them, or send it again when they can be accepted (`queue_full`, `rate_limited`, `queue_paused`). A batch with atomic false accepts the others. */
  batch_aborted: { status: 409, retryable: false, outcome: 'none' },
  /** A payload is too large. Store the data elsewhere and enqueue a reference to it, or raise HANZO_MAX_PAYLOAD (and the nats-server's max_payload). */
  payload_too_large: { status: 413, retryable: false, outcome: 'none' },
  /** The batch has too many entries. Split the batch, or raise MAX_BATCH_SIZE. */
  batch_too_large: { status: 413, retryable: false, outcome: 'none' },
  /** The request is too large. Split the batch into several requests. */
  request_too_large: { status: 413, retryable: false, outcome: 'none' },
  /** The request came too slowly. Send the request again; send a body as soon as its head is sent. */
  request_timeout: { status: 408, retryable: true, outcome: 'none' },
  /** The headers are too large. Send fewer or shorter headers; data belongs in the body. */
  headers_too_large: { status: 431, retryable: false, outcome: 'none' },
  /** The body is not declared as JSON. Send the header `Content-Type: application/json` (with curl: -H 'Content-Type: application/json') and an uncompressed body. */
  unsupported_media_type: { status: 415, retryable: false, outcome: 'none' },
  /** The journal did not confirm. Repeat the request. With a dedup id or a receipt it takes effect once, whatever became of the first. */
  journal_unavailable: { status: 503, retryable: true, outcome: 'unknown' },
  /** The partition is recovering. Repeat the request; /health/ready says when the server is ready. */
  partition_recovering: { status: 503, retryable: true, outcome: 'none' },
  /** The server is shutting down. Repeat the request, on another node or when the server is back. */
  shutting_down: { status: 503, retryable: true, outcome: 'none' },
  /** The server is overloaded. Repeat the request later, with fewer connections or larger batches. */
  overloaded: { status: 503, retryable: true, outcome: 'none' },
  /** The server failed. Report it with the request id. Repeat the request with a dedup id or a receipt: it takes effect once. */
  internal_error: { status: 500, retryable: true, outcome: 'unknown' },
} as const;

/** A code of the API. */
export type ErrorCode = keyof typeof ERRORS;

/** The state of a message. */
export type State = 'ready' | 'blocked' | 'delayed' | 'leased' | 'dead';

/** The state of a message, or that it is done. */
export type Stage = 'ready' | 'blocked' | 'delayed' | 'leased' | 'dead' | 'done';

/** Why a message died. */
export type DeathReason = 'retriesExhausted' | 'leaseEnded' | 'expired' | 'rejected';

/** How long a dedup id is held. */
export type DedupUntil = 'window' | 'done';

/** What holds messages back. */
export type LimitedBy = 'paused' | 'inFlight' | 'queue' | 'consumer' | 'key' | 'keyAssigned';

/** The period of a rate. */
export type Period = 'second' | 'minute' | 'hour' | 'day';

/** How priorities are weighed. */
export type SchedulingMode = 'fair' | 'strict';

/** Where a nacked message went. */
export type NackState = 'ready' | 'delayed' | 'dead' | 'deadLettered' | 'settled';

/** Where a released message went. */
export type ReleaseState = 'ready' | 'delayed' | 'dead' | 'deadLettered' | 'settled';

/** How far a sweep is. */
export type SweepState = 'running' | 'done' | 'cancelled' | 'failed';

/** What stands in a message's way. */
export type ReasonCode = 'paused' | 'delayed' | 'leased' | 'expired' | 'dead' | 'done' | 'ordering_key' | 'key_assigned' | 'queue_rate_limit' | 'consumer_rate_limit' | 'key_rate_limit' | 'queue_in_flight' | 'key_in_flight' | 'behind';

/** Of each request, `METHOD path` with `*` for what it names: its operation. */
export const OPERATIONS = {
  'POST queues': 'createQueue',
  'GET queues': 'listQueues',
  'GET queues/*': 'getQueue',
  'PATCH queues/*': 'updateQueue',
  'DELETE queues/*': 'deleteQueue',
  'POST queues/*/pause': 'pauseQueue',
  'POST queues/*/resume': 'resumeQueue',
  'POST queues/*/purge': 'purgeQueue',
  'POST queues/*/redrive': 'redrive',
  'POST queues/*/sweep': 'sweep',
  'GET redrives/*': 'getRedrive',
  'DELETE redrives/*': 'cancelRedrive',
  'GET sweeps': 'listSweeps',
  'GET sweeps/*': 'getSweep',
  'DELETE sweeps/*': 'cancelSweep',
  'POST queues/*/groups': 'createGroup',
  'GET queues/*/groups': 'listGroups',
  'GET queues/*/groups/*': 'getGroup',
  'DELETE queues/*/groups/*': 'deleteGroup',
  'PUT queues/*/groups/*/members/*': 'heartbeat',
  'DELETE queues/*/groups/*/members/*': 'leave',
  'POST queues/*/messages': 'enqueue',
  'GET queues/*/messages': 'receive',
  'POST queues/*/messages/batch': 'enqueueBatch',
  'POST queues/*/settle': 'settle',
  'GET queues/*/peek': 'peek',
  'GET messages/*': 'getMessage',
  'PATCH messages/*': 'changeMessage',
  'DELETE messages/*': 'deleteMessage',
  'GET messages/*/explain': 'explainMessage',
  'POST messages/*/ack': 'ack',
  'POST messages/*/nack': 'nack',
  'POST messages/*/extend': 'extend',
  'POST messages/*/release': 'release',
} as const;

/** An operation of the API, by its id in openapi.yaml. */
export type Operation = (typeof OPERATIONS)[keyof typeof OPERATIONS];
