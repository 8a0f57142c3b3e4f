package queues

import (
	"context"
)

// CreateParams names a queue to make.
type CreateParams struct {
	// Name is a letter or digit, then up to 127 letters, digits, dots, dashes and underscores.
	Name   string
	Config Config
}

// Create is CreateContext without a context.
func (c *Client) Create(params CreateParams) (*Queue, error) {
	return c.CreateContext(context.Background(), params)
}

// CreateContext makes a queue, or finds it there with an equal config; safe to call at every start.
//
// Errors: ErrQueueConflict (it exists with another config), ErrQueueNameInvalid, ErrDeadLetterQueueInvalid,
// ErrQueuesExhausted.
func (c *Client) CreateContext(ctx context.Context, params CreateParams) (*Queue, error) {
	var o object
	o.value("name", params.Name)
	config, err := params.Config.wire()
	if err != nil {
		return nil, err
	}
	if string(config) != "{}" {
		o.raw("config", config)
	}
	return send[Queue](ctx, c, "POST", "/v1/queues", &o, true)
}

// Update changes what config says, and leaves the rest as it is. Safe to repeat. Errors: ErrQueueNotFound.
func (c *Client) Update(ctx context.Context, name string, config Config) (*Queue, error) {
	var o object
	o.nested("config", config.wire)
	return send[Queue](ctx, c, "PATCH", queueTarget(name, ""), &o, true)
}

// Direction is what of a queue is paused and resumed.
type Direction int

const (
	// Receives: nothing is handed out. Receives are empty, LimitedBy "paused", and consumers wait.
	Receives Direction = 1 << iota
	// Enqueues: they end with ErrQueuePaused, those of duplicates and of dead letters excepted.
	Enqueues
)

// Pause pauses a queue until Resume: its receives, or what is named; the rest stays as it is. Leases go on: messages
// that were handed out can be settled. Safe to repeat. Errors: ErrQueueNotFound.
func (c *Client) Pause(ctx context.Context, name string, what ...Direction) (*Queue, error) {
	return c.direct(ctx, queueTarget(name, "/pause"), what, Receives)
}

// Resume ends the pauses of a queue, or that of what is named. Consumers that wait get messages at once. Safe to
// repeat. Errors: ErrQueueNotFound.
func (c *Client) Resume(ctx context.Context, name string, what ...Direction) (*Queue, error) {
	return c.direct(ctx, queueTarget(name, "/resume"), what, Receives|Enqueues)
}

func (c *Client) direct(ctx context.Context, target string, what []Direction, usual Direction) (*Queue, error) {
	var chosen Direction
	for _, one := range what {
		chosen |= one
	}
	if len(what) == 0 {
		chosen = usual
	}
	var o object
	o.value("enqueue", chosen&Enqueues != 0)
	o.value("receive", chosen&Receives != 0)
	return send[Queue](ctx, c, "POST", target, &o, true)
}

// Purge removes all messages of a queue, also leased ones (their receipts end with ErrLeaseLost), and returns how many
// these were. The queue stays, and its dedup ids are remembered. Takes the same time however many there are.
//
// Errors: ErrQueueNotFound, and ErrOutcomeUnknown when the answer was lost: a repetition removes what came since.
func (c *Client) Purge(ctx context.Context, name string) (int, error) {
	answer, err := send[removed](ctx, c, "POST", queueTarget(name, "/purge"), &object{}, false)
	return answer.number(), err
}

// Delete deletes a queue with all its messages, and returns how many these were. Errors: ErrQueueNotFound, and
// ErrOutcomeUnknown when the answer was lost.
func (c *Client) Delete(ctx context.Context, name string) (int, error) {
	answer, err := send[removed](ctx, c, "DELETE", queueTarget(name, ""), nil, false)
	return answer.number(), err
}

// Get is a queue, with its counts. Errors: ErrQueueNotFound.
func (c *Client) Get(ctx context.Context, name string) (*Queue, error) {
	return send[Queue](ctx, c, "GET", queueTarget(name, ""), nil, true)
}

// List is all queues whose names begin with prefix, in order of name. An empty prefix means all of them.
func (c *Client) List(ctx context.Context, prefix string) ([]Queue, error) {
	return pages(ctx, c, func(after string) string {
		var q query
		q.string("prefix", prefix)
		q.string("after", after)
		return "/v1/queues" + q.text.String()
	}, func(page queuePage) ([]Queue, string) { return page.Queues, page.Next })
}

type queuePage struct {
	Queues []Queue `json:"queues"`
	Next   string  `json:"next"`
}

type removed struct {
	Messages int `json:"messages"`
}

func (r *removed) number() int {
	if r == nil {
		return 0
	}
	return r.Messages
}

// send makes a request with the object as its body (nil: none) and gives its answer.
func send[T any](ctx context.Context, c *Client, method, target string, o *object, safe bool) (*T, error) {
	return sendAbout[T](ctx, c, request{method: method, target: target, safe: safe}, o)
}

// sendAbout is send, of a request that says how many messages it is about.
func sendAbout[T any](ctx context.Context, c *Client, r request, o *object) (*T, error) {
	if o != nil {
		encoded, err := o.done()
		if err != nil {
			return nil, err
		}
		r.body = encoded
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	value, err := call[T](ctx, c.transport, r)
	if err != nil {
		return nil, err
	}
	return &value, nil
}

// pages collects all pages of a list.
func pages[P, T any](
	ctx context.Context, c *Client, target func(after string) string, of func(P) ([]T, string),
) ([]T, error) {
	var found []T
	for after := ""; ; {
		page, err := send[P](ctx, c, "GET", target(after), nil, true)
		if err != nil {
			return nil, err
		}
		items, next := of(*page)
		found = append(found, items...)
		if next == "" {
			return found, nil
		}
		after = next
	}
}
