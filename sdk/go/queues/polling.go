package queues

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// lastAnswer: a poll younger than this at a stop may be answered at this moment. Its messages are ours, and nobody else
// gets them before their leases end. An older one waits for a message to come, and is ended at once.
const lastAnswer = 300 * time.Millisecond

// polling asks for the messages of one consumer: no more than it can start at once, so that none waits here while
// another consumer is free. While the server is away it tries again with backoff, for ever. Whatever was received is
// started, also what arrives just when a stop interrupts the wait. Must not know how handlers run.
type polling struct {
	client            *Client
	config            ConsumerConfig
	queue             string
	visibilityTimeout Seconds
	handlers          *handlers
	membership        *membership
	reports           *reports
	policy            retryPolicy
	askMax            int
	asked             int
	askedAt           atomic.Int64 // Unix nanoseconds
	attemptID         string
}

func newPolling(c *consumer, visibilityTimeout Seconds, h *handlers) *polling {
	return &polling{
		client: c.client, config: c.config, queue: c.queue, visibilityTimeout: visibilityTimeout, handlers: h,
		membership: c.membership, reports: c.reports, policy: newRetryPolicy(0),
		askMax: c.client.batchLimit.max(), attemptID: newAttemptID(),
	}
}

// run polls until the context ends. Returns what the server refuses to begin with, and ErrClientClosed.
func (p *polling) run(ctx context.Context) error {
	polls, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() {
		young := lastAnswer - time.Since(time.Unix(0, p.askedAt.Load()))
		pause(polls, max(0, young))
		end()
	})()
	failures, answered := 0, false
	for p.handlers.room(ctx); ctx.Err() == nil; p.handlers.room(ctx) {
		began := time.Now()
		received, err := p.fill(polls)
		switch {
		case err == nil:
			answered = true
			failures = p.rest(ctx, received, time.Since(began), failures)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrRequestInvalid) && p.asked > 1:
			p.askMax = p.asked / 2 // MAX_BATCH_SIZE is smaller there; else 1 is refused too
		case errors.Is(err, ErrClientClosed) || !answered && !isTransient(asError(err)):
			return err
		default:
			failures++
			p.reports.backOff(ctx, p.policy, failures, err)
		}
	}
	return nil
}

// rest waits after an empty answer that came early: a limit holds the queue back, or the server stops. Returns how many
// there were in a row.
func (p *polling) rest(ctx context.Context, received *Received, took time.Duration, failures int) int {
	if len(received.Messages) > 0 || took > p.config.WaitTime.Duration()/2 {
		return 0
	}
	failures++
	pause(ctx, min(orElse(received.RetryAfter, p.policy.backoff(failures)), p.config.WaitTime).Duration())
	return failures
}

// fill starts what one poll brings, or a batch: as much as comes within its wait, however that ends.
func (p *polling) fill(ctx context.Context) (*Received, error) {
	size := p.handlers.free()
	if p.config.BatchHandler != nil {
		size = p.config.BatchSize
	}
	received, err := p.receive(ctx, size, p.config.WaitTime)
	if err != nil {
		return nil, err
	}
	held := p.handlers.hold(received.Messages)
	if p.config.BatchHandler != nil && len(held) > 0 {
		held, err = p.fillUp(ctx, held, size)
	}
	p.handlers.start(held) // whatever ended it, what is here goes on
	return received, err
}

func (p *polling) fillUp(ctx context.Context, held []*delivery, size int) ([]*delivery, error) {
	until := time.Now().Add(p.config.BatchWait.Duration())
	full := len(held) == p.asked // more may be there at this moment than one request can ask for
	for missing := size - len(held); missing > 0; missing = size - len(held) {
		left := max(0, time.Until(until))
		if !full && left == 0 {
			break
		}
		received, err := p.receive(ctx, missing, Duration(left))
		if err != nil {
			return held, err
		}
		held = append(held, p.handlers.hold(received.Messages)...)
		full = len(received.Messages) == p.asked
	}
	return held, nil
}

func (p *polling) receive(ctx context.Context, messagesMax int, wait Seconds) (*Received, error) {
	p.asked = min(messagesMax, p.askMax)
	p.askedAt.Store(time.Now().UnixNano())
	defer p.membership.polling()()
	received, err := p.client.receive(ctx, ReceiveParams{
		Queue:             p.queue,
		MaxMessages:       p.asked,
		WaitTime:          wait,
		VisibilityTimeout: p.visibilityTimeout,
		ConsumerGroup:     p.config.ConsumerGroup,
		ConsumerID:        p.membership.consumerID,
		AttemptID:         p.attemptID,
	}, true)
	if err == nil {
		p.attemptID = newAttemptID() // a poll that fails is repeated as the same one
	}
	return received, err
}

// backOff tells the error, and waits: longer after each failure in a row, and not less than the server asks for.
func (r *reports) backOff(ctx context.Context, policy retryPolicy, failures int, err error) {
	r.failed(err, nil)
	pause(ctx, (asError(err).RetryAfter + policy.backoff(failures)).Duration())
}
