package queues

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"
)

// ReceiveParams says what to receive, and for whom.
type ReceiveParams struct {
	Queue string
	// MaxMessages: 1 to the server's MAX_BATCH_SIZE; default 1.
	MaxMessages int
	// WaitTime to wait for a first message, up to 30 s; default not at all.
	WaitTime Seconds
	// VisibilityTimeout: how long each is yours; default the queue's.
	VisibilityTimeout Seconds
	// ConsumerGroup: default "default".
	ConsumerGroup string
	// ConsumerID names this consumer, where members matter.
	ConsumerID string
	// AttemptID makes receives the same one: repeated, the server gives the same leases. Default: one for this call and
	// its retries.
	AttemptID string
}

// Receive leases up to MaxMessages messages; the answer says why when a limit kept it empty. Should the answer be lost,
// the client asks again and gets the same leases. Errors: ErrQueueNotFound, ErrGroupNotFound, ErrRequestInvalid.
func (c *Client) Receive(ctx context.Context, params ReceiveParams) (*Received, error) {
	return c.receive(ctx, params, false)
}

func (c *Client) receive(ctx context.Context, params ReceiveParams, once bool) (*Received, error) {
	var q query
	q.integer("maxMessages", orElse(params.MaxMessages, 1))
	q.seconds("waitTime", params.WaitTime)
	q.seconds("visibilityTimeout", params.VisibilityTimeout)
	q.string("consumerGroup", params.ConsumerGroup)
	q.string("consumerId", params.ConsumerID)
	q.string("attemptId", first(params.AttemptID, newAttemptID()))
	if err := c.enter(); err != nil {
		return nil, err
	}
	received, err := call[Received](ctx, c.transport, request{
		method: "GET", target: queueTarget(params.Queue, "/messages") + q.text.String(), safe: true,
		wait: max(0, params.WaitTime), once: once,
	})
	if err != nil {
		return nil, err
	}
	c.leases.remember(received.Messages)
	return &received, nil
}

func newAttemptID() string { return randomHex(16) }

func randomHex(size int) string {
	random := make([]byte, size)
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

// Held is a message this client received, by its id: of its last lease, what Ack, Nack, Release and Extend need, which
// is Queue, ID and Receipt. Errors: ErrReceiptUnknown.
func (c *Client) Held(id string) (*Message, error) {
	held, err := c.leases.find(id)
	if err != nil {
		return nil, err
	}
	return &Message{ID: held.id, Queue: held.queue, Receipt: held.receipt}, nil
}

// AckParams is what an ack leaves behind. All of it happens with the ack, or nothing.
type AckParams struct {
	// Result is anything that encoding/json can write, kept for the queue's ResultRetention: GetMessage and an enqueue
	// with the same dedup id return it. nil: none; json.RawMessage("null"): null.
	Result any
	// Enqueue: messages to enqueue, each with its Queue.
	Enqueue []EnqueueParams
}

func (p AckParams) isEmpty() bool { return p.Result == nil && len(p.Enqueue) == 0 }

// Acked: the message is done.
type Acked struct {
	// Already: an earlier ack of the same lease had done it.
	Already bool `json:"already"`
	// Enqueued: the messages enqueued with it, in order; also when Already, as long as the server remembers them.
	Enqueued []Enqueued `json:"enqueued"`
}

// Ack: the message is done and gone, and leaves behind what leaving says. Repeating it is harmless.
//
// Errors: ErrLeaseLost, and with something left behind ErrBatchAborted (a message to enqueue was refused: the error's
// Results say why, and the message is still yours) and ErrPayloadTooLarge.
func (c *Client) Ack(ctx context.Context, message *Message, leaving ...AckParams) (*Acked, error) {
	var left AckParams
	for _, one := range leaving {
		left = one
	}
	if left.isEmpty() {
		return end[Acked](ctx, c, "acks", message, nil)
	}
	acked, err := c.ackAlone(ctx, message, left)
	if err == nil {
		c.leases.forget(message.ID, message.Receipt)
	}
	return acked, err
}

func (c *Client) ackAlone(ctx context.Context, message *Message, left AckParams) (*Acked, error) {
	var o object
	o.value("receipt", message.Receipt)
	if left.Result != nil {
		o.value("result", left.Result)
	}
	var followUps []json.RawMessage
	for _, one := range left.Enqueue {
		body, err := one.wire(c.traceparent(ctx), true)
		if err != nil {
			return nil, err
		}
		followUps = append(followUps, body)
	}
	if followUps != nil {
		o.raw("enqueue", join(followUps))
	}
	return sendAbout[Acked](
		ctx, c, request{method: "POST", target: messageTarget(message.ID, "/ack"), safe: true, messages: 1}, &o)
}

// AckAll acks several messages at once, in requests they share, and returns the error of each, in order: nil when it is
// done. Errors: as of Ack.
func (c *Client) AckAll(ctx context.Context, messages ...*Message) []error {
	failed := make([]error, len(messages))
	entries := make([]*entry, len(messages))
	byQueue := map[string][]*entry{}
	for index, message := range messages {
		if failed[index] = c.enter(); failed[index] == nil && ctx.Err() != nil {
			failed[index] = interruptedError(ctx.Err(), OutcomeNone)
		}
		if failed[index] == nil {
			entries[index], failed[index] = endEntry(c, "acks", message, nil)
		}
		if failed[index] == nil {
			byQueue[message.Queue] = append(byQueue[message.Queue], entries[index])
		}
	}
	lanes := map[string]*lane{}
	for queue, together := range byQueue {
		lanes[queue] = c.settles.submit(queue, together...)
	}
	for index, message := range messages {
		if failed[index] == nil {
			_, failed[index] = lanes[message.Queue].await(ctx, entries[index])
		}
	}
	return failed
}

// NackParams says how a delivery failed.
type NackParams struct {
	// Delay before the next delivery; default the queue's backoff. None: at once.
	Delay Seconds
	// Priority is 1 to 255, or Lowest; default the same.
	Priority int
	// Error says why, kept with a dead letter; up to 8192 bytes.
	Error string
	// Reject: it can never succeed, a dead letter at once.
	Reject bool
}

// Returned says where a message went.
type Returned struct {
	// State is "ready", "delayed", "dead", "deadLettered", or "settled": an earlier call for the same lease had done it.
	State ReturnedState `json:"state"`
	// DueAt: when it may be delivered again, if that is not now.
	DueAt time.Time `json:"dueAt"`
	// DeadLetterID is its id in the dead-letter queue.
	DeadLetterID string `json:"deadLetterId"`
}

// Nack: this delivery failed. The message is delivered again, or is a dead letter after its last retry. Repeating it is
// harmless. Errors: ErrLeaseLost.
func (c *Client) Nack(ctx context.Context, message *Message, params NackParams) (*Returned, error) {
	return end[Returned](ctx, c, "nacks", message, func(o *object) {
		o.seconds("delay", params.Delay)
		o.integer("priority", params.Priority)
		o.string("error", params.Error)
		o.flag("reject", params.Reject)
	})
}

// Release gives the message back: it is delivered again after delay (0: at once), to anybody, and no failed attempt is
// counted. For what is not the message's fault: a limit elsewhere, a program that stops. Repeating it is harmless.
// Errors: ErrLeaseLost.
func (c *Client) Release(ctx context.Context, message *Message, delay Seconds) (*Returned, error) {
	return end[Returned](ctx, c, "releases", message, func(o *object) { o.seconds("delay", delay) })
}

// Extend: the lease lasts visibilityTimeout (0: the queue's) from now; returns its new end. Errors: ErrLeaseLost.
func (c *Client) Extend(ctx context.Context, message *Message, visibilityTimeout Seconds) (time.Time, error) {
	body, err := leaseEntry(message, func(o *object) { o.seconds("visibilityTimeout", visibilityTimeout) })
	if err != nil {
		return time.Time{}, err
	}
	extended, err := submit[struct {
		LeasedUntil time.Time `json:"leasedUntil"`
	}](ctx, c, c.settles, message.Queue, newEntry(body, "extends", true))
	if err != nil {
		return time.Time{}, err
	}
	return extended.LeasedUntil, nil
}

// end makes one entry of a request that others share, which ends the message's lease.
func end[T any](ctx context.Context, c *Client, kind string, message *Message, fill func(*object)) (*T, error) {
	ending, err := endEntry(c, kind, message, fill)
	if err != nil {
		return nil, err
	}
	return submit[T](ctx, c, c.settles, message.Queue, ending)
}

// endEntry: the lease is forgotten when the server has carried it out, whoever still waits to hear of it.
func endEntry(c *Client, kind string, message *Message, fill func(*object)) (*entry, error) {
	body, err := leaseEntry(message, fill)
	if err != nil {
		return nil, err
	}
	ending := newEntry(body, kind, true)
	ending.carriedOut = func() { c.leases.forget(message.ID, message.Receipt) }
	return ending, nil
}

func leaseEntry(message *Message, fill func(*object)) (json.RawMessage, error) {
	var o object
	o.value("id", message.ID)
	o.value("receipt", message.Receipt)
	if fill != nil {
		fill(&o)
	}
	return o.done()
}
