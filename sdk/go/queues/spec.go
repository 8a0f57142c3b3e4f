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

// The codes of the API.
const (
	// ErrRequestInvalid: The request is not valid. Correct what `errors` points at. Fields and bounds are in /openapi.json.
	ErrRequestInvalid Code = "request_invalid"
	// ErrJSONInvalid: The body is not JSON. Send one JSON object in UTF-8, without trailing text. The detail says where reading stopped.
	ErrJSONInvalid Code = "json_invalid"
	// ErrHTTPMalformed: The request is not HTTP/1.1. Send plain HTTP/1.1: no TLS, no HTTP/2. Where a proxy stands between, check what it sends.
	ErrHTTPMalformed Code = "http_malformed"
	// ErrMessageIDInvalid: The message id is not valid. Use the `id` of an enqueue or a receive as it came.
	ErrMessageIDInvalid Code = "message_id_invalid"
	// ErrReceiptInvalid: The receipt is not valid. Use the `receipt` that came with this message in the last receive, unchanged.
	ErrReceiptInvalid Code = "receipt_invalid"
	// ErrQueueNameInvalid: The queue name is not valid. Choose a name of that form, such as `email-notifications`.
	ErrQueueNameInvalid Code = "queue_name_invalid"
	// ErrGroupNameInvalid: The group name is not valid. Choose a name of that form, such as `audit`.
	ErrGroupNameInvalid Code = "group_name_invalid"
	// ErrDeadLetterQueueInvalid: The dead-letter queue is not valid. Name another queue, or null to keep dead messages in the queue itself.
	ErrDeadLetterQueueInvalid Code = "dead_letter_queue_invalid"
	// ErrUnauthorized: A valid API key is needed. Send `Authorization: Bearer KEY` with a key of HANZO_API_KEYS, or the one that `hanzo-queues key` prints on the server's machine.
	ErrUnauthorized Code = "unauthorized"
	// ErrRouteNotFound: There is no such path. Check the path against /openapi.json: no trailing slash, and the version `/v1` first.
	ErrRouteNotFound Code = "route_not_found"
	// ErrMethodNotAllowed: The path does not take this method. Use one of the methods in the `Allow` header.
	ErrMethodNotAllowed Code = "method_not_allowed"
	// ErrQueueNotFound: There is no such queue. Create it with POST /v1/queues, or correct the name.
	ErrQueueNotFound Code = "queue_not_found"
	// ErrGroupNotFound: There is no such consumer group. Create it with POST /v1/queues/{queue}/groups, or leave `consumerGroup` out: every queue has the group `default`.
	ErrGroupNotFound Code = "group_not_found"
	// ErrMessageNotFound: There is no such message. Nothing needs to be done when the message was acknowledged. A dead letter names its source id in `deadLetter.sourceId`. Begin a peek with its first page.
	ErrMessageNotFound Code = "message_not_found"
	// ErrQueueConflict: The queue exists with other settings. Change its settings with PATCH /v1/queues/{queue}, or send the settings it has.
	ErrQueueConflict Code = "queue_conflict"
	// ErrQueuesExhausted: There are too many queues. Delete queues that are not needed, or tell messages apart by an ordering key or a field instead of a queue.
	ErrQueuesExhausted Code = "queues_exhausted"
	// ErrGroupsExhausted: The queue has too many consumer groups. Delete a group that is no longer read with DELETE /v1/queues/{queue}/groups/{group}. Consumers that share the work belong in one group.
	ErrGroupsExhausted Code = "groups_exhausted"
	// ErrMembersExhausted: The group has too many members. Use one consumer id for all receives of a process. Members that are gone make room when their sessions end.
	ErrMembersExhausted Code = "members_exhausted"
	// ErrGroupIsDefault: The group is the queue's own. Delete the queue, or leave its messages unread.
	ErrGroupIsDefault Code = "group_is_default"
	// ErrSweepNotFound: The redrive or sweep does not exist. Use the id that its start answered. Ended ones are remembered for 7 days, the last 1000 of them.
	ErrSweepNotFound Code = "sweep_not_found"
	// ErrSweepsExhausted: Too many redrives and sweeps are under way. Repeat the request when one has ended, or cancel one.
	ErrSweepsExhausted Code = "sweeps_exhausted"
	// ErrQueuePaused: The queue is paused. Repeat the request later, or resume the queue.
	ErrQueuePaused Code = "queue_paused"
	// ErrRateLimited: The queue accepts no more for now. Repeat the request after the time that Retry-After tells, or raise `ingressLimit`.
	ErrRateLimited Code = "rate_limited"
	// ErrDedupMemoryFull: No more dedup ids can be remembered. Repeat the request when windows are over, shorten `dedupWindow`, or raise HANZO_DEDUP_MEMORY.
	ErrDedupMemoryFull Code = "dedup_memory_full"
	// ErrQueueFull: The queue is full. Repeat the request when messages are done, or raise `maxMessages`. An atomic batch of more messages than that never fits.
	ErrQueueFull Code = "queue_full"
	// ErrMessageLeased: A consumer holds the message. Repeat the request when the lease has ended, or let its consumer settle it.
	ErrMessageLeased Code = "message_leased"
	// ErrMessageDead: The message is dead. Redrive it, or delete it.
	ErrMessageDead Code = "message_dead"
	// ErrDedupConflict: The dedup id was used with another payload. Give each distinct message its own dedup id: derive it from what the message is about.
	ErrDedupConflict Code = "dedup_conflict"
	// ErrLeaseLost: The lease has ended. Don't settle it again: unless it is done or gone, it is delivered again. Extend leases in time, or raise the queue's visibilityTimeout above the longest work.
	ErrLeaseLost Code = "lease_lost"
	// ErrBatchAborted: The batch was refused as a whole. Look at the entries whose `error` in `results` is another one than batch_aborted: correct them, or send it again when they can be accepted (`queue_full`, `rate_limited`, `queue_paused`). A batch with atomic false accepts the others.
	ErrBatchAborted Code = "batch_aborted"
	// ErrPayloadTooLarge: A payload is too large. Store the data elsewhere and enqueue a reference to it, or raise HANZO_MAX_PAYLOAD (and the nats-server's max_payload).
	ErrPayloadTooLarge Code = "payload_too_large"
	// ErrBatchTooLarge: The batch has too many entries. Split the batch, or raise MAX_BATCH_SIZE.
	ErrBatchTooLarge Code = "batch_too_large"
	// ErrRequestTooLarge: The request is too large. Split the batch into several requests.
	ErrRequestTooLarge Code = "request_too_large"
	// ErrRequestTimeout: The request came too slowly. Send the request again; send a body as soon as its head is sent.
	ErrRequestTimeout Code = "request_timeout"
	// ErrHeadersTooLarge: The headers are too large. Send fewer or shorter headers; data belongs in the body.
	ErrHeadersTooLarge Code = "headers_too_large"
	// ErrUnsupportedMediaType: The body is not declared as JSON. Send the header `Content-Type: application/json` (with curl: -H 'Content-Type: application/json') and an uncompressed body.
	ErrUnsupportedMediaType Code = "unsupported_media_type"
	// ErrJournalUnavailable: The journal did not confirm. Repeat the request. With a dedup id or a receipt it takes effect once, whatever became of the first.
	ErrJournalUnavailable Code = "journal_unavailable"
	// ErrPartitionRecovering: The partition is recovering. Repeat the request; /health/ready says when the server is ready.
	ErrPartitionRecovering Code = "partition_recovering"
	// ErrShuttingDown: The server is shutting down. Repeat the request, on another node or when the server is back.
	ErrShuttingDown Code = "shutting_down"
	// ErrOverloaded: The server is overloaded. Repeat the request later, with fewer connections or larger batches.
	ErrOverloaded Code = "overloaded"
	// ErrInternalError: The server failed. Report it with the request id. Repeat the request with a dedup id or a receipt: it takes effect once.
	ErrInternalError Code = "internal_error"
)

// codeFacts is what is known of every error of one code.
type codeFacts struct {
	status    int
	retryable bool
	outcome   Outcome
}

var codeTable = map[Code]codeFacts{
	ErrRequestInvalid:         {400, false, OutcomeNone},
	ErrJSONInvalid:            {400, false, OutcomeNone},
	ErrHTTPMalformed:          {400, false, OutcomeNone},
	ErrMessageIDInvalid:       {400, false, OutcomeNone},
	ErrReceiptInvalid:         {400, false, OutcomeNone},
	ErrQueueNameInvalid:       {400, false, OutcomeNone},
	ErrGroupNameInvalid:       {400, false, OutcomeNone},
	ErrDeadLetterQueueInvalid: {400, false, OutcomeNone},
	ErrUnauthorized:           {401, false, OutcomeNone},
	ErrRouteNotFound:          {404, false, OutcomeNone},
	ErrMethodNotAllowed:       {405, false, OutcomeNone},
	ErrQueueNotFound:          {404, false, OutcomeNone},
	ErrGroupNotFound:          {404, false, OutcomeNone},
	ErrMessageNotFound:        {404, false, OutcomeNone},
	ErrQueueConflict:          {409, false, OutcomeNone},
	ErrQueuesExhausted:        {409, false, OutcomeNone},
	ErrGroupsExhausted:        {409, false, OutcomeNone},
	ErrMembersExhausted:       {429, true, OutcomeNone},
	ErrGroupIsDefault:         {409, false, OutcomeNone},
	ErrSweepNotFound:          {404, false, OutcomeNone},
	ErrSweepsExhausted:        {429, true, OutcomeNone},
	ErrQueuePaused:            {409, true, OutcomeNone},
	ErrRateLimited:            {429, true, OutcomeNone},
	ErrDedupMemoryFull:        {429, true, OutcomeNone},
	ErrQueueFull:              {429, true, OutcomeNone},
	ErrMessageLeased:          {409, true, OutcomeNone},
	ErrMessageDead:            {409, false, OutcomeNone},
	ErrDedupConflict:          {409, false, OutcomeNone},
	ErrLeaseLost:              {409, false, OutcomeNone},
	ErrBatchAborted:           {409, false, OutcomeNone},
	ErrPayloadTooLarge:        {413, false, OutcomeNone},
	ErrBatchTooLarge:          {413, false, OutcomeNone},
	ErrRequestTooLarge:        {413, false, OutcomeNone},
	ErrRequestTimeout:         {408, true, OutcomeNone},
	ErrHeadersTooLarge:        {431, false, OutcomeNone},
	ErrUnsupportedMediaType:   {415, false, OutcomeNone},
	ErrJournalUnavailable:     {503, true, OutcomeUnknown},
	ErrPartitionRecovering:    {503, true, OutcomeNone},
	ErrShuttingDown:           {503, true, OutcomeNone},
	ErrOverloaded:             {503, true, OutcomeNone},
	ErrInternalError:          {500, true, OutcomeUnknown},
}

// State: the state of a message, or that it is done.
type State string

// Values of State.
const (
	StateReady   State = "ready"
	StateBlocked State = "blocked"
	StateDelayed State = "delayed"
	StateLeased  State = "leased"
	StateDead    State = "dead"
	StateDone    State = "done"
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
	LimitedByPaused      LimitedBy = "paused"
	LimitedByInFlight    LimitedBy = "inFlight"
	LimitedByQueue       LimitedBy = "queue"
	LimitedByConsumer    LimitedBy = "consumer"
	LimitedByKey         LimitedBy = "key"
	LimitedByKeyAssigned LimitedBy = "keyAssigned"
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

// ReturnedState: where a nacked message went.
type ReturnedState string

// Values of ReturnedState.
const (
	ReturnedStateReady        ReturnedState = "ready"
	ReturnedStateDelayed      ReturnedState = "delayed"
	ReturnedStateDead         ReturnedState = "dead"
	ReturnedStateDeadLettered ReturnedState = "deadLettered"
	ReturnedStateSettled      ReturnedState = "settled"
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
	ReasonCodeDone              ReasonCode = "done"
	ReasonCodeOrderingKey       ReasonCode = "ordering_key"
	ReasonCodeKeyAssigned       ReasonCode = "key_assigned"
	ReasonCodeQueueRateLimit    ReasonCode = "queue_rate_limit"
	ReasonCodeConsumerRateLimit ReasonCode = "consumer_rate_limit"
	ReasonCodeKeyRateLimit      ReasonCode = "key_rate_limit"
	ReasonCodeQueueInFlight     ReasonCode = "queue_in_flight"
	ReasonCodeKeyInFlight       ReasonCode = "key_in_flight"
	ReasonCodeBehind            ReasonCode = "behind"
)

// operations: of each request, METHOD and path with * for what it names, its operation.
var operations = map[string]string{
	"POST queues":                        "createQueue",
	"GET queues":                         "listQueues",
	"GET queues/*":                       "getQueue",
	"PATCH queues/*":                     "updateQueue",
	"DELETE queues/*":                    "deleteQueue",
	"POST queues/*/pause":                "pauseQueue",
	"POST queues/*/resume":               "resumeQueue",
	"POST queues/*/purge":                "purgeQueue",
	"POST queues/*/redrive":              "redrive",
	"POST queues/*/sweep":                "sweep",
	"GET redrives/*":                     "getRedrive",
	"DELETE redrives/*":                  "cancelRedrive",
	"GET sweeps":                         "listSweeps",
	"GET sweeps/*":                       "getSweep",
	"DELETE sweeps/*":                    "cancelSweep",
	"POST queues/*/groups":               "createGroup",
	"GET queues/*/groups":                "listGroups",
	"GET queues/*/groups/*":              "getGroup",
	"DELETE queues/*/groups/*":           "deleteGroup",
	"PUT queues/*/groups/*/members/*":    "heartbeat",
	"DELETE queues/*/groups/*/members/*": "leave",
	"POST queues/*/messages":             "enqueue",
	"GET queues/*/messages":              "receive",
	"POST queues/*/messages/batch":       "enqueueBatch",
	"POST queues/*/settle":               "settle",
	"GET queues/*/peek":                  "peek",
	"GET messages/*":                     "getMessage",
	"PATCH messages/*":                   "changeMessage",
	"DELETE messages/*":                  "deleteMessage",
	"GET messages/*/explain":             "explainMessage",
	"POST messages/*/ack":                "ack",
	"POST messages/*/nack":               "nack",
	"POST messages/*/extend":             "extend",
	"POST messages/*/release":            "release",
}
