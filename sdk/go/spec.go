// Code generated from spec/ by `make docs`. DO NOT EDIT.

package queues

// What the server's limits are unless its settings say otherwise; the server decides.
const (
	// LimitBatchEntriesMax is in messages.
	LimitBatchEntriesMax = 100
	// LimitPayloadBytesMax is in bytes.
	LimitPayloadBytesMax = 1048576
	// LimitRequestBytesMax is in bytes.
	LimitRequestBytesMax = 8000000
	// LimitMetadataBytesMax is in bytes.
	LimitMetadataBytesMax = 65536
	// LimitKeyBytesMax is in bytes.
	LimitKeyBytesMax = 256
	// LimitErrorBytesMax is in bytes.
	LimitErrorBytesMax = 8192
	// LimitWaitTimeMsMax is in milliseconds.
	LimitWaitTimeMsMax = 30000
	// LimitVisibilityTimeoutMsMax is in milliseconds.
	LimitVisibilityTimeoutMsMax = 43200000
	// LimitDelayMsMax is in milliseconds.
	LimitDelayMsMax = 315360000000
	// LimitListLimitMax is in entries.
	LimitListLimitMax = 1000
)

// Code names an error of the API. Codes are never renamed or reused.
type Code string

// The codes of the API.
const (
	// CodeRequestInvalid: The request is not valid. Correct what `errors` points at. Fields and bounds are in /openapi.json.
	CodeRequestInvalid Code = "request_invalid"
	// CodeJsonInvalid: The body is not JSON. Send one JSON object in UTF-8, without trailing text. The detail says where reading stopped.
	CodeJsonInvalid Code = "json_invalid"
	// CodeHttpMalformed: The request is not HTTP/1.1. Send plain HTTP/1.1: no TLS, no HTTP/2. Where a proxy stands between, check what it sends.
	CodeHttpMalformed Code = "http_malformed"
	// CodeMessageIdInvalid: The message id is not valid. Use the `id` of an enqueue or a receive as it came.
	CodeMessageIdInvalid Code = "message_id_invalid"
	// CodeReceiptInvalid: The receipt is not valid. Use the `receipt` that came with this message in the last receive, unchanged.
	CodeReceiptInvalid Code = "receipt_invalid"
	// CodeQueueNameInvalid: The queue name is not valid. Choose a name of that form, such as `email-notifications`.
	CodeQueueNameInvalid Code = "queue_name_invalid"
	// CodeGroupNameInvalid: The group name is not valid. Choose a name of that form, such as `audit`.
	CodeGroupNameInvalid Code = "group_name_invalid"
	// CodeDeadLetterQueueInvalid: The dead-letter queue is not valid. Name another queue, or null to keep dead messages in the queue itself.
	CodeDeadLetterQueueInvalid Code = "dead_letter_queue_invalid"
	// CodeUnauthorized: A valid API key is needed. Send `Authorization: Bearer KEY` with a key of HANZO_API_KEYS, or the one that `hanzo-queues key` prints on the server's machine.
	CodeUnauthorized Code = "unauthorized"
	// CodeRouteNotFound: There is no such path. Check the path against /openapi.json: no trailing slash, and the version `/v1` first.
	CodeRouteNotFound Code = "route_not_found"
	// CodeMethodNotAllowed: The path does not take this method. Use one of the methods in the `Allow` header.
	CodeMethodNotAllowed Code = "method_not_allowed"
	// CodeQueueNotFound: There is no such queue. Create it with POST /v1/queues, or correct the name.
	CodeQueueNotFound Code = "queue_not_found"
	// CodeGroupNotFound: There is no such consumer group. Create it with POST /v1/queues/{queue}/groups, or leave `consumerGroup` out: every queue has the group `default`.
	CodeGroupNotFound Code = "group_not_found"
	// CodeMessageNotFound: There is no such message. Nothing needs to be done when the message was acknowledged. A dead letter names its source id in `deadLetter.sourceId`.
	CodeMessageNotFound Code = "message_not_found"
	// CodeQueueConflict: The queue exists with other settings. Change its settings with PATCH /v1/queues/{queue}, or send the settings it has.
	CodeQueueConflict Code = "queue_conflict"
	// CodeQueuesExhausted: There are too many queues. Delete queues that are not needed, or tell messages apart by an ordering key or a field instead of a queue.
	CodeQueuesExhausted Code = "queues_exhausted"
	// CodeGroupsExhausted: The queue has too many consumer groups. Delete a group that is no longer read with DELETE /v1/queues/{queue}/groups/{group}. Consumers that share the work belong in one group.
	CodeGroupsExhausted Code = "groups_exhausted"
	// CodeMembersExhausted: The group has too many members. Use one consumer id for all receives of a process. Members that are gone make room when their sessions end.
	CodeMembersExhausted Code = "members_exhausted"
	// CodeGroupIsDefault: The group is the queue's own. Delete the queue, or leave its messages unread.
	CodeGroupIsDefault Code = "group_is_default"
	// CodeSweepNotFound: The redrive or sweep does not exist. Use the id that its start answered. Ended ones are remembered for 7 days, the last 1000 of them.
	CodeSweepNotFound Code = "sweep_not_found"
	// CodeSweepsExhausted: Too many redrives and sweeps are under way. Repeat the request when one has ended, or cancel one.
	CodeSweepsExhausted Code = "sweeps_exhausted"
	// CodeQueuePaused: The queue is paused. Repeat the request later, or resume the queue.
	CodeQueuePaused Code = "queue_paused"
	// CodeRateLimited: The queue accepts no more for now. Repeat the request after the time that Retry-After tells, or raise `ingressLimit`.
	CodeRateLimited Code = "rate_limited"
	// CodeDedupMemoryFull: No more dedup ids can be remembered. Repeat the request when windows are over, shorten `dedupWindow`, or raise HANZO_DEDUP_MEMORY.
	CodeDedupMemoryFull Code = "dedup_memory_full"
	// CodeQueueFull: The queue is full. Repeat the request when messages are done, or raise `maxMessages`.
	CodeQueueFull Code = "queue_full"
	// CodeMessageLeased: A consumer holds the message. Repeat the request when the lease has ended, or let its consumer settle it.
	CodeMessageLeased Code = "message_leased"
	// CodeMessageDead: The message is dead. Redrive it, or delete it.
	CodeMessageDead Code = "message_dead"
	// CodeDedupConflict: The dedup id was used with another payload. Give each distinct message its own dedup id: derive it from what the message is about.
	CodeDedupConflict Code = "dedup_conflict"
	// CodeLeaseLost: The lease has ended. Don't settle it again: it is delivered again. Extend leases in time, or raise the queue's visibilityTimeout above the longest work.
	CodeLeaseLost Code = "lease_lost"
	// CodeBatchAborted: The batch was refused as a whole. Correct the entries whose `error` in `results` is another one than batch_aborted, or send the batch with atomic false.
	CodeBatchAborted Code = "batch_aborted"
	// CodePayloadTooLarge: A payload is too large. Store the data elsewhere and enqueue a reference to it, or raise HANZO_MAX_PAYLOAD (and the nats-server's max_payload).
	CodePayloadTooLarge Code = "payload_too_large"
	// CodeBatchTooLarge: The batch has too many entries. Split the batch, or raise MAX_BATCH_SIZE.
	CodeBatchTooLarge Code = "batch_too_large"
	// CodeRequestTooLarge: The request is too large. Split the batch into several requests.
	CodeRequestTooLarge Code = "request_too_large"
	// CodeRequestTimeout: The request came too slowly. Send the request again; send a body as soon as its head is sent.
	CodeRequestTimeout Code = "request_timeout"
	// CodeHeadersTooLarge: The headers are too large. Send fewer or shorter headers; data belongs in the body.
	CodeHeadersTooLarge Code = "headers_too_large"
	// CodeUnsupportedMediaType: The body is not declared as JSON. Send the header `Content-Type: application/json` (with curl: -H 'Content-Type: application/json') and an uncompressed body.
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	// CodeJournalUnavailable: The journal did not confirm. Repeat the request. With a dedup id or a receipt it takes effect once, whatever became of the first.
	CodeJournalUnavailable Code = "journal_unavailable"
	// CodePartitionRecovering: The partition is recovering. Repeat the request; /health/ready says when the server is ready.
	CodePartitionRecovering Code = "partition_recovering"
	// CodeShuttingDown: The server is shutting down. Repeat the request, on another node or when the server is back.
	CodeShuttingDown Code = "shutting_down"
	// CodeOverloaded: The server is overloaded. Repeat the request later, with fewer connections or larger batches.
	CodeOverloaded Code = "overloaded"
	// CodeInternalError: The server failed. Report it with the request id. Repeat the request with a dedup id or a receipt: it takes effect once.
	CodeInternalError Code = "internal_error"
)

// codeFacts is what is known of every error of one code.
type codeFacts struct {
	code      Code
	status    int
	retryable bool
	unknown   bool
}

var codeTable = []codeFacts{
	{CodeRequestInvalid, 400, false, false},
	{CodeJsonInvalid, 400, false, false},
	{CodeHttpMalformed, 400, false, false},
	{CodeMessageIdInvalid, 400, false, false},
	{CodeReceiptInvalid, 400, false, false},
	{CodeQueueNameInvalid, 400, false, false},
	{CodeGroupNameInvalid, 400, false, false},
	{CodeDeadLetterQueueInvalid, 400, false, false},
	{CodeUnauthorized, 401, false, false},
	{CodeRouteNotFound, 404, false, false},
	{CodeMethodNotAllowed, 405, false, false},
	{CodeQueueNotFound, 404, false, false},
	{CodeGroupNotFound, 404, false, false},
	{CodeMessageNotFound, 404, false, false},
	{CodeQueueConflict, 409, false, false},
	{CodeQueuesExhausted, 409, false, false},
	{CodeGroupsExhausted, 409, false, false},
	{CodeMembersExhausted, 429, true, false},
	{CodeGroupIsDefault, 409, false, false},
	{CodeSweepNotFound, 404, false, false},
	{CodeSweepsExhausted, 429, true, false},
	{CodeQueuePaused, 409, true, false},
	{CodeRateLimited, 429, true, false},
	{CodeDedupMemoryFull, 429, true, false},
	{CodeQueueFull, 429, true, false},
	{CodeMessageLeased, 409, true, false},
	{CodeMessageDead, 409, false, false},
	{CodeDedupConflict, 409, false, false},
	{CodeLeaseLost, 409, false, false},
	{CodeBatchAborted, 409, false, false},
	{CodePayloadTooLarge, 413, false, false},
	{CodeBatchTooLarge, 413, false, false},
	{CodeRequestTooLarge, 413, false, false},
	{CodeRequestTimeout, 408, true, false},
	{CodeHeadersTooLarge, 431, false, false},
	{CodeUnsupportedMediaType, 415, false, false},
	{CodeJournalUnavailable, 503, true, true},
	{CodePartitionRecovering, 503, true, false},
	{CodeShuttingDown, 503, true, false},
	{CodeOverloaded, 503, true, false},
	{CodeInternalError, 500, true, true},
}

// State: the state of a message.
type State string

// Values of State.
const (
	StateReady   State = "ready"
	StateBlocked State = "blocked"
	StateDelayed State = "delayed"
	StateLeased  State = "leased"
	StateDead    State = "dead"
)

// Stage: the state of a message, or that it is done.
type Stage string

// Values of Stage.
const (
	StageReady   Stage = "ready"
	StageBlocked Stage = "blocked"
	StageDelayed Stage = "delayed"
	StageLeased  Stage = "leased"
	StageDead    Stage = "dead"
	StageDone    Stage = "done"
)

// DeathReason: why a message died.
type DeathReason string

// Values of DeathReason.
const (
	DeathReasonRetriesExhausted DeathReason = "retriesExhausted"
	DeathReasonLeaseEnded       DeathReason = "leaseEnded"
	DeathReasonExpired          DeathReason = "expired"
	DeathReasonRejected         DeathReason = "rejected"
)

// DedupUntil: how long a dedup id is held.
type DedupUntil string

// Values of DedupUntil.
const (
	DedupUntilWindow DedupUntil = "window"
	DedupUntilDone   DedupUntil = "done"
)

// LimitedBy: what holds messages back.
type LimitedBy string

// Values of LimitedBy.
const (
	LimitedByPaused   LimitedBy = "paused"
	LimitedByInFlight LimitedBy = "inFlight"
	LimitedByQueue    LimitedBy = "queue"
	LimitedByConsumer LimitedBy = "consumer"
	LimitedByKey      LimitedBy = "key"
)

// Period: the period of a rate.
type Period string

// Values of Period.
const (
	PeriodSecond Period = "second"
	PeriodMinute Period = "minute"
	PeriodHour   Period = "hour"
	PeriodDay    Period = "day"
)

// SchedulingMode: how priorities are weighed.
type SchedulingMode string

// Values of SchedulingMode.
const (
	SchedulingModeFair   SchedulingMode = "fair"
	SchedulingModeStrict SchedulingMode = "strict"
)

// NackState: where a nacked message went.
type NackState string

// Values of NackState.
const (
	NackStateReady        NackState = "ready"
	NackStateDelayed      NackState = "delayed"
	NackStateDead         NackState = "dead"
	NackStateDeadLettered NackState = "deadLettered"
	NackStateSettled      NackState = "settled"
)

// ReleaseState: where a released message went.
type ReleaseState string

// Values of ReleaseState.
const (
	ReleaseStateReady   ReleaseState = "ready"
	ReleaseStateDelayed ReleaseState = "delayed"
	ReleaseStateSettled ReleaseState = "settled"
)

// SweepState: how far a sweep is.
type SweepState string

// Values of SweepState.
const (
	SweepStateRunning   SweepState = "running"
	SweepStateDone      SweepState = "done"
	SweepStateCancelled SweepState = "cancelled"
	SweepStateFailed    SweepState = "failed"
)

// ReasonCode: what stands in a message's way.
type ReasonCode string

// Values of ReasonCode.
const (
	ReasonCodePaused            ReasonCode = "paused"
	ReasonCodeDelayed           ReasonCode = "delayed"
	ReasonCodeLeased            ReasonCode = "leased"
	ReasonCodeExpired           ReasonCode = "expired"
	ReasonCodeDead              ReasonCode = "dead"
	ReasonCodeOrderingKey       ReasonCode = "ordering_key"
	ReasonCodeKeyAssigned       ReasonCode = "key_assigned"
	ReasonCodeQueueRateLimit    ReasonCode = "queue_rate_limit"
	ReasonCodeConsumerRateLimit ReasonCode = "consumer_rate_limit"
	ReasonCodeKeyRateLimit      ReasonCode = "key_rate_limit"
	ReasonCodeQueueInFlight     ReasonCode = "queue_in_flight"
	ReasonCodeKeyInFlight       ReasonCode = "key_in_flight"
	ReasonCodeBehind            ReasonCode = "behind"
)
