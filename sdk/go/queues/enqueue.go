package queues

import (
	"context"
	"encoding/json"
	"errors"
)

// EnqueueParams is a message to enqueue. Only Queue and Payload are needed.
type EnqueueParams struct {
	// Queue is where to. In a batch it is the batch's, and may be left out.
	Queue string
	// Payload is anything that encoding/json can write; not []byte, but json.RawMessage as it is.
	Payload any
	// Priority is 1 to 255, or Lowest; higher is sooner. Default 1.
	Priority int
	// Delay before it may be delivered; default the queue's. None: at once.
	Delay Seconds
	// DedupID: one message per id and dedup window. Also makes the call safe to repeat. A duplicate gets the first one's
	// id, its state, and its result, if one is kept.
	DedupID string
	// DedupUntil says how long the id is held: DedupUntilWindow (the default), from acceptance for the queue's dedup window, or
	// DedupUntilDone, until that message is done, however long that takes.
	DedupUntil DedupUntil
	// OrderingKey: messages of one key are delivered in order, one at a time.
	OrderingKey string
	// FairnessKey: keys of one priority take turns.
	FairnessKey string
	// Metadata is kept beside the payload.
	Metadata map[string]any
	// TTL: after it the message is a dead letter; default the queue's.
	TTL Seconds
	// MaxRetries: deliveries that may follow a failed first one; default the queue's. None: no retry.
	MaxRetries int
	// Backoff is the delay after a failed attempt; what is left at 0 is as in a new queue. Default the queue's.
	Backoff *Backoff
	// Traceparent is a W3C trace context for the handler; default that of the context.
	Traceparent string
}

// BatchParams is a batch to enqueue.
type BatchParams struct {
	Queue string
	// Messages: when Atomic, up to the server's MAX_BATCH_SIZE, 100 by default.
	Messages []EnqueueParams
	// Atomic: all or nothing.
	Atomic bool
}

// Enqueue is EnqueueContext without a context.
func (c *Client) Enqueue(params EnqueueParams) (*Enqueued, error) {
	return c.EnqueueContext(context.Background(), params)
}

// EnqueueContext stores one message; when it returns, the message is durable. Calls made at the same time share
// requests, and those to one queue are stored in the order they were made.
//
// Errors: ErrQueueNotFound, ErrQueuePaused, ErrQueueFull, ErrRateLimited, ErrDedupMemoryFull, ErrDedupConflict (the id
// was used with another payload), ErrPayloadTooLarge, ErrRequestInvalid, and ErrOutcomeUnknown: there was no DedupID,
// and the answer was lost.
func (c *Client) EnqueueContext(ctx context.Context, params EnqueueParams) (*Enqueued, error) {
	body, err := params.wire(c.traceparent(ctx), false)
	if err != nil {
		return nil, err
	}
	return submit[Enqueued](ctx, c, c.enqueues, params.Queue, newEntry(body, "", params.DedupID != ""))
}

// EnqueueBatch stores several messages, each with its own result, in order: one request for each WithBatchEntries of
// them, one after the other; of fewer, once the server has refused so many. An atomic batch is one request.
//
// Errors: those of Enqueue for a request as a whole; an entry that is refused has an Err instead. The error's Results are
// those of the requests before; nothing is sent after it. Of an atomic batch ErrBatchAborted when one is refused: the
// error's Results say which, and why.
func (c *Client) EnqueueBatch(ctx context.Context, params BatchParams) ([]EntryResult, error) {
	entries := make([]json.RawMessage, len(params.Messages))
	for index, message := range params.Messages {
		if message.Queue != "" && message.Queue != params.Queue {
			return nil, argumentError("message %d is for queue %q, and its batch for %q", index, message.Queue, params.Queue)
		}
		body, err := message.wire(c.traceparent(ctx), false)
		if err != nil {
			return nil, err
		}
		entries[index] = body
	}
	if params.Atomic || len(entries) == 0 {
		return c.enqueuePart(ctx, params, entries)
	}
	var results []EntryResult
	for first, end := 0, 0; first < len(entries); first = end {
		end = min(first+c.batchLimit.max(), len(entries))
		part := BatchParams{Queue: params.Queue, Messages: params.Messages[first:end]}
		told, err := c.enqueuePart(ctx, part, entries[first:end])
		if errors.Is(err, ErrBatchTooLarge) && end-first > 1 {
			c.batchLimit.refused(end - first)
			end = first
			continue
		}
		if err != nil {
			var known *Error
			if errors.As(err, &known) {
				known.Results = results
			}
			return nil, err
		}
		results = append(results, told...)
	}
	return results, nil
}

// enqueuePart stores messages by one request.
func (c *Client) enqueuePart(ctx context.Context, params BatchParams, entries []json.RawMessage) ([]EntryResult, error) {
	safe := true
	for _, message := range params.Messages {
		safe = safe && message.DedupID != ""
	}
	var o object
	o.raw("messages", join(entries))
	o.flag("atomic", params.Atomic)
	answer, err := sendAbout[struct {
		Results []EntryResult `json:"results"`
	}](ctx, c, request{
		method: "POST", target: queueTarget(params.Queue, "/messages/batch"), safe: safe, messages: len(entries),
	}, &o)
	if err != nil {
		return nil, err
	}
	return answer.Results, nil
}

// wire is the message as the server reads it. A follow-up names its queue.
func (p EnqueueParams) wire(traceparent string, followUp bool) (json.RawMessage, error) {
	var o object
	if followUp {
		if p.Queue == "" {
			return nil, argumentError("a message to enqueue with an ack needs its Queue")
		}
		o.value("queue", p.Queue)
	}
	o.value("payload", p.Payload)
	o.integer("priority", p.Priority)
	o.seconds("delay", p.Delay)
	o.string("dedupId", p.DedupID)
	o.string("dedupUntil", string(p.DedupUntil))
	o.string("orderingKey", p.OrderingKey)
	o.string("fairnessKey", p.FairnessKey)
	if p.Metadata != nil {
		o.value("metadata", p.Metadata)
	}
	o.seconds("ttl", p.TTL)
	o.integer("maxRetries", p.MaxRetries)
	if p.Backoff != nil {
		o.nested("backoff", p.Backoff.wire)
	}
	o.string("traceparent", first(p.Traceparent, traceparent))
	return o.done()
}

// submit makes a call that may share a request, and waits for its own result.
func submit[T any](ctx context.Context, c *Client, to *coalescer, queue string, one *entry) (*T, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, interruptedError(ctx.Err(), OutcomeNone)
	}
	body, err := to.submit(queue, one).await(ctx, one)
	if err != nil {
		return nil, err
	}
	value := new(T)
	if err := decode(body, value); err != nil {
		return nil, err
	}
	return value, nil
}

// isAny: whether an error has one of these codes.
func isAny(err error, codes ...Code) bool {
	for _, code := range codes {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
