package queues

import (
	"context"
	"encoding/json"
	"time"
)

// Message is a message handed to you: yours until LeasedUntil, or until you ack, nack or release it.
type Message struct {
	ID    string `json:"id"`
	Queue string `json:"queue"`
	// Payload is the JSON that was enqueued, byte for byte; Decode reads it.
	Payload  json.RawMessage `json:"payload"`
	Metadata map[string]any  `json:"metadata"`
	// Priority is 0 to 255, higher is sooner.
	Priority int `json:"priority"`
	// Receipt proves this lease. Opaque.
	Receipt string `json:"receipt"`
	// Deliveries: how often it was handed out, this time included.
	Deliveries int `json:"deliveries"`
	// Attempts: deliveries before this one that failed.
	Attempts   int       `json:"attempts"`
	EnqueuedAt time.Time `json:"enqueuedAt"`
	// LeasedUntil is the lease's end as given by the receive.
	LeasedUntil time.Time `json:"leasedUntil"`
	// ExpiresAt is zero when it doesn't.
	ExpiresAt   time.Time `json:"expiresAt"`
	DedupID     string    `json:"dedupId"`
	OrderingKey string    `json:"orderingKey"`
	FairnessKey string    `json:"fairnessKey"`
	// Traceparent is the W3C trace context of its enqueue, or "".
	Traceparent string `json:"traceparent"`
	// LastError is what the last failed attempt left, or "".
	LastError string `json:"lastError"`
	// FirstFailureAt and LastFailureAt are zero when it has not failed since it is here.
	FirstFailureAt time.Time `json:"firstFailureAt"`
	LastFailureAt  time.Time `json:"lastFailureAt"`
	// DeadLetter says, of a dead letter, how it died.
	DeadLetter *DeadLetter `json:"deadLetter"`

	ctx   context.Context
	onAck AckParams
}

// Decode reads the payload into what into points to.
func (m *Message) Decode(into any) error { return json.Unmarshal(m.Payload, into) }

// Context is, in a handler, the context of this delivery: it ends when the lease is lost, because another consumer may
// have the message then, and when a stop has waited long enough. It carries the trace context of the enqueue.
func (m *Message) Context() context.Context {
	if m.ctx == nil {
		return context.Background()
	}
	return m.ctx
}

// OnAck says, in a handler, what the ack carries that follows when the handler returns nil: a result, and messages to
// enqueue in the same step.
func (m *Message) OnAck(params AckParams) { m.onAck = params }

// DeadLetter says why a message could not be delivered, and where it came from.
type DeadLetter struct {
	Reason DeathReason `json:"reason"`
	// Error is the last error's text.
	Error       string `json:"error"`
	SourceQueue string `json:"sourceQueue"`
	SourceID    string `json:"sourceId"`
	// SourceGroup is the consumer group it died in.
	SourceGroup string `json:"sourceGroup"`
	Deliveries  int    `json:"deliveries"`
	Attempts    int    `json:"attempts"`
	// FirstFailureAt and LastFailureAt are zero when it never failed (it expired).
	FirstFailureAt time.Time `json:"firstFailureAt"`
	LastFailureAt  time.Time `json:"lastFailureAt"`
	// Redrives: how often it was redriven since it died first.
	Redrives int `json:"redrives"`
}

// UnmarshalJSON reads it as the server writes it: without the group where that is "default".
func (d *DeadLetter) UnmarshalJSON(text []byte) error {
	type plain DeadLetter
	read := plain{SourceGroup: DefaultGroup}
	err := json.Unmarshal(text, &read)
	*d = DeadLetter(read)
	return err
}

// MessageView is a message as seen from outside; looking leases nothing. Of a message in state "done", which was acked
// with a result that is kept, only ID, Queue, State, DoneAt, Result and ResultExpiresAt are known.
type MessageView struct {
	ID    string `json:"id"`
	Queue string `json:"queue"`
	State State  `json:"state"`
	// ReadyAt: since when it is ready or blocked. Zero in other states, as the following are.
	ReadyAt     time.Time       `json:"readyAt"`
	DueAt       time.Time       `json:"dueAt"`       // of a delayed one
	LeasedUntil time.Time       `json:"leasedUntil"` // of a leased one
	DeadAt      time.Time       `json:"deadAt"`      // of a dead one
	Payload     json.RawMessage `json:"payload"`
	Metadata    map[string]any  `json:"metadata"`
	Priority    int             `json:"priority"`
	Deliveries  int             `json:"deliveries"`
	Attempts    int             `json:"attempts"`
	EnqueuedAt  time.Time       `json:"enqueuedAt"`
	ExpiresAt   time.Time       `json:"expiresAt"`
	DedupID     string          `json:"dedupId"`
	OrderingKey string          `json:"orderingKey"`
	FairnessKey string          `json:"fairnessKey"`
	Traceparent string          `json:"traceparent"`
	// LastError is what the last failed attempt left, or "". Of a dead message, DeadLetter tells.
	LastError string `json:"lastError"`
	// FirstFailureAt and LastFailureAt are zero when it has not failed since it is here, or is dead.
	FirstFailureAt time.Time   `json:"firstFailureAt"`
	LastFailureAt  time.Time   `json:"lastFailureAt"`
	DeadLetter     *DeadLetter `json:"deadLetter"`
	// MaxRetries and Backoff are its own, in place of its queue's; nil where it has none. They rest while it is a dead
	// letter.
	MaxRetries *int     `json:"maxRetries"`
	Backoff    *Backoff `json:"backoff"`
	// Groups is its state in each consumer group, where there are further ones; the other fields are those of the first
	// group that holds it still.
	Groups map[string]State `json:"groups"`

	DoneAt          time.Time       `json:"doneAt"`
	Result          json.RawMessage `json:"result"`
	ResultExpiresAt time.Time       `json:"resultExpiresAt"`
}

// Page is one page of messages. Next is where the next page begins (PeekParams.After); "" when there is none.
type Page struct {
	Messages []MessageView `json:"messages"`
	Next     string        `json:"next"`
}

// Enqueued is an accepted message: it is durable.
type Enqueued struct {
	ID string `json:"id"`
	// Duplicate: nothing was stored now. ID is the message accepted earlier under this dedup id; it may be one this
	// very call stored, when its first answer was lost and the client repeated it.
	Duplicate bool `json:"duplicate"`
	// State is "ready", "blocked" or "delayed". Of a duplicate the state of that earlier message now: "done" also when it
	// is gone.
	State State `json:"state"`
	// Result is, of a duplicate, what was kept with the ack of that earlier message; nil when nothing is.
	Result json.RawMessage `json:"result"`
}

// EntryResult is what became of one entry of a batch: Err is nil, or an *Error.
type EntryResult struct {
	Enqueued
	Err error
}

// UnmarshalJSON reads it as the server writes it: the message, or {"error": ...}.
func (r *EntryResult) UnmarshalJSON(text []byte) error {
	if err := entryError(text); err != nil {
		r.Err = err
		return nil
	}
	return json.Unmarshal(text, &r.Enqueued)
}

// Received is the messages of one receive.
type Received struct {
	Messages []*Message `json:"messages"`
	// LimitedBy names what held others back: "paused", "queue", "consumer", "key", "inFlight" or "keyAssigned" (all that is
	// ready has ordering keys that stick to other members of the group). Else "".
	LimitedBy LimitedBy `json:"limitedBy"`
	// RetryAfter says when a receive can succeed, where that is a matter of time. Else 0.
	RetryAfter Seconds `json:"retryAfter"`
}
