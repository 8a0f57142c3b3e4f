package queues

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ConsumerConfig says how a queue is consumed. Only Handler (or BatchHandler) is needed.
type ConsumerConfig struct {
	// Handler is called with each message. It is acked when the handler returns nil, and nacked with the error's text
	// when it returns one (or panics); see also Retry, Reject and Limited. Its lease is extended at a third of the
	// visibility timeout, as long as the handler runs. Message.Context ends when it is lost all the same.
	Handler func(message *Message) error
	// BatchHandler, in place of Handler, is called with batches, never empty ones. nil: all are done; an error: all have
	// failed; BatchErrors: each as it says. The context ends when the leases of all are lost.
	BatchHandler func(ctx context.Context, batch []*Message) error
	// BatchSize: messages of a batch at most; default 100.
	BatchSize int
	// BatchWait: how long to wait for a batch to fill after its first message, up to 30 s; default not at all.
	BatchWait Seconds

	// Concurrency: handlers that run at once; default 10, and 1 for batches.
	Concurrency int
	// MaxConcurrency, where it is given, lets concurrency follow the work: between MinConcurrency (default 1) and this,
	// by the backlog and by how long handlers take, beginning with Concurrency.
	MaxConcurrency int
	MinConcurrency int

	// VisibilityTimeout of the leases; default the queue's at the start.
	VisibilityTimeout Seconds
	// WaitTime: how long one long poll waits, up to 30 s; default 20 s.
	WaitTime Seconds
	// ConsumerGroup: default "default".
	ConsumerGroup string
	// ConsumerID names this consumer, a member of its group; no two that run may share it. Default: a new one each run.
	ConsumerID string
	// RunOnLeaseLost leaves Message.Context alone when the lease is lost.
	RunOnLeaseLost bool
	// Grace: how long handlers may take to finish after a stop; default 30 s, None: not at all.
	Grace Seconds

	// OnError is called for whatever failed: with the message, or with nil when it was something of the consumer itself.
	// Default: it is logged.
	OnError func(err error, message *Message)
	// OnHandled is called after each delivery, for metrics.
	OnHandled func(Handled)
	// Logger is for what nobody is told otherwise; default slog.Default().
	Logger *slog.Logger
}

// HandledAs says what became of one delivery.
type HandledAs string

const (
	// HandledAcked: the handler is done with the message.
	HandledAcked HandledAs = "acked"
	// HandledRetried: it failed, and is delivered again while retries are left.
	HandledRetried HandledAs = "retried"
	// HandledRejected: it is a dead letter.
	HandledRejected HandledAs = "rejected"
	// HandledReleased: given back with no attempt counted, by Limited or a stop.
	HandledReleased HandledAs = "released"
	// HandledSettled: the handler settled it itself.
	HandledSettled HandledAs = "settled"
	// HandledLeaseLost: another consumer may have it.
	HandledLeaseLost HandledAs = "lease_lost"
	// HandledUnsettled: the server could not be told; the message comes again when its lease ends.
	HandledUnsettled HandledAs = "unsettled"
)

// Handled is what became of one delivery, for metrics.
type Handled struct {
	Message *Message
	Outcome HandledAs
	// Took: how long the handler ran, for a batch with all its messages.
	Took time.Duration
	// Running: handlers of this consumer that run now. Concurrency: those that may run at once, now.
	Running, Concurrency int
	// Err is what the handler returned, or what went wrong when settling.
	Err error
}

// Consume is ConsumeContext until SIGINT or SIGTERM. A second signal ends the grace.
func (c *Client) Consume(queue string, config ConsumerConfig) error {
	ctx, stop := context.WithCancel(context.Background())
	hurry, ended := make(chan struct{}), make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for _, act := range []func(){stop, func() { close(hurry) }} {
			select {
			case <-signals:
				act()
			case <-ended:
				return
			}
		}
	}()
	defer stop()
	defer close(ended)
	defer signal.Stop(signals)
	return c.consume(ctx, queue, config, hurry)
}

// ConsumeContext receives the messages of a queue and calls the handler with them, until the context ends or Stop.
//
// No more is received than can start at once, so no message waits here while another consumer is free. When the context
// ends, no more is received, and handlers may finish within Grace. Then their contexts end too, their messages are given
// back with no attempt counted, and the consumer leaves its group. While the server is away the consumer waits, and goes
// on when it is back.
//
// It returns nil after a stop, and otherwise what keeps it from starting: ErrQueueNotFound, ErrUnauthorized,
// ErrArgumentInvalid; ErrClientClosed after Close.
func (c *Client) ConsumeContext(ctx context.Context, queue string, config ConsumerConfig) error {
	return c.consume(ctx, queue, config, nil)
}

func (c *Client) consume(ctx context.Context, queue string, config ConsumerConfig, hurry <-chan struct{}) error {
	if err := config.complete(); err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	one := newConsumer(c, queue, config)
	defer c.running(one, stop)()
	return one.run(ctx, hurry)
}

// complete fills in the defaults, and refuses what makes no sense.
func (c *ConsumerConfig) complete() error {
	if (c.Handler == nil) == (c.BatchHandler == nil) {
		return argumentError("give a Handler or a BatchHandler")
	}
	c.WaitTime = orElse(c.WaitTime, 20)
	c.Grace = orElse(c.Grace, 30)
	c.BatchSize = orElse(c.BatchSize, LimitBatchEntriesMax)
	c.MinConcurrency = orElse(c.MinConcurrency, 1)
	if c.BatchHandler != nil {
		c.Concurrency = orElse(c.Concurrency, 1)
	}
	if c.MaxConcurrency != 0 {
		c.Concurrency = min(max(orElse(c.Concurrency, c.MinConcurrency), c.MinConcurrency), c.MaxConcurrency)
	}
	c.Concurrency = orElse(c.Concurrency, 10)
	switch {
	case c.WaitTime <= 0 || c.WaitTime > 30:
		return argumentError("WaitTime is %v; it must be above 0 and at most 30 seconds", c.WaitTime)
	case c.BatchWait < 0 || c.BatchWait > 30:
		return argumentError("BatchWait is %v; it must be from 0 to 30 seconds", c.BatchWait)
	case c.Concurrency < 1 || c.BatchSize < 1:
		return argumentError("Concurrency is %d and BatchSize %d; they must be at least 1", c.Concurrency, c.BatchSize)
	case c.MinConcurrency < 1 || c.MaxConcurrency != 0 && c.MaxConcurrency < c.MinConcurrency:
		return argumentError("concurrency is from %d to %d; it must be from 1 up", c.MinConcurrency, c.MaxConcurrency)
	}
	return nil
}

func orElse[T comparable](given, otherwise T) T {
	var zero T
	if given == zero {
		return otherwise
	}
	return given
}
