package queues

import "context"

// GetMessage is a message by id, leased to nobody by looking; in state "done" when it was acked with a result that is
// kept. Errors: ErrMessageNotFound, also for one that is done and left no result.
func (c *Client) GetMessage(ctx context.Context, id string) (*MessageView, error) {
	return send[MessageView](ctx, c, "GET", messageTarget(id, ""), nil, true)
}

// PeekParams says at which messages to look.
type PeekParams struct {
	// State: default "ready".
	State State
	// OrderingKey: only those of this key; not with state "dead".
	OrderingKey string
	// FairnessKey: only those of this key.
	FairnessKey string
	// Reason: only those that died of this, here or where a dead letter came from.
	Reason DeathReason
	// Limit: at most so many, 1 to 1000; default 10.
	Limit int
	// After: begin after this id, the Next of the page before.
	After string
}

// Peek looks at a queue's messages in one state; leases nothing. Where filters let few through, a page can be short or
// empty and not the last. Errors: ErrQueueNotFound, ErrRequestInvalid.
func (c *Client) Peek(ctx context.Context, queue string, params PeekParams) (*Page, error) {
	var q query
	q.string("state", string(params.State))
	q.string("orderingKey", params.OrderingKey)
	q.string("fairnessKey", params.FairnessKey)
	q.string("reason", string(params.Reason))
	q.integer("limit", params.Limit)
	q.string("after", params.After)
	return send[Page](ctx, c, "GET", queueTarget(queue, "/peek")+q.text.String(), nil, true)
}

// ExplainParams says for whom to explain.
type ExplainParams struct {
	// ConsumerGroup: default the first that holds the message, "default" before others.
	ConsumerGroup string
	// ConsumerID: default whoever asks, or the member its ordering key sticks to.
	ConsumerID string
}

// Explain says why a message is not being delivered now: all that stands in its way. One that is done says so ("done")
// while its result is kept, or another group holds it still. Errors: ErrMessageNotFound, ErrGroupNotFound.
func (c *Client) Explain(ctx context.Context, id string, params ExplainParams) (*Explanation, error) {
	var q query
	q.string("consumerGroup", params.ConsumerGroup)
	q.string("consumerId", params.ConsumerID)
	return send[Explanation](ctx, c, "GET", messageTarget(id, "/explain")+q.text.String(), nil, true)
}

// Change is another time or priority for messages that wait.
type Change struct {
	// Delay until it may be delivered, from now. None: at once. Default: as it was.
	Delay Seconds
	// Priority is 1 to 255, or Lowest. Default: as it was.
	Priority int
}

func (c Change) fill(o *object) {
	o.seconds("delay", c.Delay)
	o.integer("priority", c.Priority)
}

// UpdateMessage changes a message that nobody holds, and returns it as it is now. Messages of one ordering key stay in
// order. Safe to repeat, though a delay counts from the last time.
//
// Errors: ErrMessageNotFound, ErrMessageLeased (a consumer holds it: wait for the lease to end), ErrMessageDead (redrive
// it instead), ErrRequestInvalid (nothing to change).
func (c *Client) UpdateMessage(ctx context.Context, id string, change Change) (*MessageView, error) {
	var o object
	change.fill(&o)
	return send[MessageView](ctx, c, "PATCH", messageTarget(id, ""), &o, true)
}

// RunNow lets a delayed message be delivered at once; see UpdateMessage.
func (c *Client) RunNow(ctx context.Context, id string) (*MessageView, error) {
	return c.UpdateMessage(ctx, id, Change{Delay: None})
}

// CancelMessage deletes a message that nobody holds, whatever its state; its dedup id stays taken as long as its
// window. Safe to repeat: the client does, when an answer was lost. Errors: ErrMessageNotFound, ErrMessageLeased.
func (c *Client) CancelMessage(ctx context.Context, id string) error {
	_, err := send[struct{}](ctx, c, "DELETE", messageTarget(id, ""), nil, true)
	if isAny(err, ErrMessageNotFound) && asError(err).Outcome == OutcomeUnknown {
		return nil // an earlier try, whose answer was lost, has done it
	}
	return err
}
