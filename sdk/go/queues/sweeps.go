package queues

import (
	"context"
	"encoding/json"
	"time"
)

// Pauses between two looks at a sweep that is waited for: they double, since most sweeps are short.
const (
	lookMin = 50 * time.Millisecond
	lookMax = 2 * time.Second
)

// Filter means messages for which all of it is true. The zero value means every message that the action is meant for.
type Filter struct {
	State State
	// Reason: why it died.
	Reason DeathReason
	// Error is a part of its last error's text.
	Error string
	// OlderThan: it died (or, if it never did, was accepted) at least so long ago.
	OlderThan Seconds
	// NewerThan: at most so long ago.
	NewerThan Seconds
	// Metadata: members its metadata has, with these values.
	Metadata map[string]any
}

func (f Filter) wire() (json.RawMessage, error) {
	var o object
	o.string("state", string(f.State))
	o.string("reason", string(f.Reason))
	o.string("error", f.Error)
	o.seconds("olderThan", f.OlderThan)
	o.seconds("newerThan", f.NewerThan)
	if f.Metadata != nil {
		o.value("metadata", f.Metadata)
	}
	return o.done()
}

// SweepRate: so many messages (Requests) per Per at most, evenly.
type SweepRate struct {
	Requests int    `json:"requests"`
	Per      Period `json:"per"`
}

// SweepParams is how a sweep goes.
type SweepParams struct {
	// Rate: default no limit.
	Rate *SweepRate
	// MaxMessages: messages acted on at most; default all.
	MaxMessages int
	// DryRun only counts, and shows a Sample.
	DryRun bool
}

func (p SweepParams) fill(o *object) {
	if p.Rate != nil {
		o.value("rate", p.Rate)
	}
	o.integer("max", p.MaxMessages)
	o.flag("dryRun", p.DryRun)
}

// RedriveParams says what to redrive, and where to.
type RedriveParams struct {
	// IDs: up to 1000 messages of this queue.
	IDs []string
	// Filter: not with IDs. Without both, all dead letters.
	Filter *Filter
	// Destination is a queue for all of them; default the queue each one died in.
	Destination string
	SweepParams
}

// Sweep is a walk over the messages of a queue, and how far it is. It goes on when the server restarts.
type Sweep struct {
	ID    string `json:"id"`
	Queue string `json:"queue"`
	// Action is "redrive" or "cancel" as a JSON string, or a change as an object.
	Action json.RawMessage `json:"action"`
	State  SweepState      `json:"state"`
	DryRun bool            `json:"dryRun"`
	// Total: messages it could concern when it began, at most: those in the state it is about, or the IDs. Matched stays
	// below it where a filter asks for more. 0 also when the server did not count them.
	Total int `json:"total"`
	// Matched: messages that matched and were there when their turn came.
	Matched int `json:"matched"`
	// Moved: those it was done to.
	Moved int `json:"moved"`
	// Skipped: those that had left their state meanwhile, and ids that are not there.
	Skipped int `json:"skipped"`
	// Failed: those it could not be done to. They stay where they are.
	Failed int `json:"failed"`
	// Failures says why, and how many: "no_source", "queue_not_found", "queue_full", "group_not_found".
	Failures  map[string]int `json:"failures"`
	CreatedAt time.Time      `json:"createdAt"`
	// EndedAt is zero while it runs.
	EndedAt time.Time `json:"endedAt"`
	// Error says why it failed as a whole.
	Error string `json:"error"`
	// Sample: of a dry run, the ids of the first that matched.
	Sample []string `json:"sample"`
	// Destination: of a redrive to one queue.
	Destination string `json:"destination"`
}

// Ended: it runs no more; State says how it ended.
func (s *Sweep) Ended() bool { return s.State != SweepStateRunning }

// Redrive starts to move dead letters back to where they died: with new ids, ready at once, attempts from 0. Messages
// of a dead-letter queue, or those in a queue's state "dead". None is lost or doubled.
//
// It is under way when this returns: see WaitForSweep, GetSweep, CancelSweep. Errors: ErrQueueNotFound,
// ErrSweepsExhausted, ErrRequestInvalid, and ErrOutcomeUnknown when the answer was lost: another redrive finds what the
// first one left.
func (c *Client) Redrive(ctx context.Context, queue string, params RedriveParams) (*Sweep, error) {
	var o object
	if params.IDs != nil {
		o.value("ids", params.IDs)
	}
	o.string("destination", params.Destination)
	if params.Filter != nil {
		o.nested("filter", params.Filter.wire)
	}
	params.fill(&o)
	return send[Sweep](ctx, c, "POST", queueTarget(queue, "/redrive"), &o, false)
}

// CancelMessages starts to delete the messages that match: those that wait, unless the filter names a state. Those that
// consumers hold, and those that arrive later, are left alone. Errors and progress as of Redrive.
func (c *Client) CancelMessages(ctx context.Context, queue string, filter Filter, params SweepParams) (*Sweep, error) {
	var o object
	o.value("action", "cancel")
	return c.sweep(ctx, queue, &o, filter, params)
}

// UpdateMessages starts to change the waiting messages that match, as UpdateMessage does one; a delay counts from when
// each has its turn. Errors and progress as of Redrive.
func (c *Client) UpdateMessages(
	ctx context.Context, queue string, filter Filter, change Change, params SweepParams,
) (*Sweep, error) {
	if change == (Change{}) {
		return nil, argumentError("nothing to change: give a Delay, a Priority, or both")
	}
	var o object
	o.nested("action", func() (json.RawMessage, error) {
		var action object
		change.fill(&action)
		return action.done()
	})
	return c.sweep(ctx, queue, &o, filter, params)
}

func (c *Client) sweep(ctx context.Context, queue string, o *object, filter Filter, params SweepParams) (*Sweep, error) {
	o.nested("filter", filter.wire)
	params.fill(o)
	return send[Sweep](ctx, c, "POST", queueTarget(queue, "/sweep"), o, false)
}

// GetSweep is how far a sweep or redrive is. Known for 7 days after its end. Errors: ErrSweepNotFound.
func (c *Client) GetSweep(ctx context.Context, id string) (*Sweep, error) {
	return send[Sweep](ctx, c, "GET", "/v1/sweeps/"+quoted(id), nil, true)
}

// ListSweeps is the redrives and sweeps of all queues that are under way, and those that ended in the last 7 days.
func (c *Client) ListSweeps(ctx context.Context) ([]Sweep, error) {
	type sweepPage struct {
		Sweeps []Sweep `json:"sweeps"`
		Next   string  `json:"next"`
	}
	return pages(ctx, c, func(after string) string {
		var q query
		q.string("after", after)
		return "/v1/sweeps" + q.text.String()
	}, func(page sweepPage) ([]Sweep, string) { return page.Sweeps, page.Next })
}

// CancelSweep stops a sweep: it does nothing more when this returns, and what it did stays. One that has ended stays as
// it is. Errors: ErrSweepNotFound.
func (c *Client) CancelSweep(ctx context.Context, id string) (*Sweep, error) {
	return send[Sweep](ctx, c, "DELETE", "/v1/sweeps/"+quoted(id), nil, true)
}

// WaitForSweep waits for the end of a sweep, or of the context, when the sweep goes on. onProgress, if there is one, is
// called with the sweep at each look, every two seconds at least.
func (c *Client) WaitForSweep(ctx context.Context, id string, onProgress func(*Sweep)) (*Sweep, error) {
	for wait := lookMin; ; wait = min(wait*2, lookMax) {
		seen, err := c.GetSweep(ctx, id)
		if err != nil {
			return nil, err
		}
		if onProgress != nil {
			onProgress(seen)
		}
		if seen.Ended() {
			return seen, nil
		}
		c.transport.sleep(ctx, wait)
	}
}
