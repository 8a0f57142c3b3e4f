package queues

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// consumer is one running consumer: it finds out what it must know, then polls, handles and stays a member until it is
// stopped. Puts the parts together: polling asks for messages, handlers does the work, membership keeps its place in the
// group, scaling says how many handlers run at once.
type consumer struct {
	client     *Client
	queue      string
	config     ConsumerConfig
	reports    *reports
	membership *membership
}

func newConsumer(client *Client, queue string, config ConsumerConfig) *consumer {
	told := newReports(queue, config)
	return &consumer{
		client: client, queue: queue, config: config, reports: told,
		membership: &membership{
			client: client, queue: queue, group: first(config.ConsumerGroup, DefaultGroup),
			consumerID: first(config.ConsumerID, newConsumerID()), reports: told,
		},
	}
}

// run goes on until the context ends, and up to the grace longer unless there is hurry.
func (c *consumer) run(ctx context.Context, hurry <-chan struct{}) error {
	found, err := c.find(ctx)
	if err != nil || found == nil {
		return err
	}
	// Leases are always asked for by length, so that a config changed while we run can't make them shorter than we
	// think.
	visibilityTimeout := orElse(c.config.VisibilityTimeout, found.Config.VisibilityTimeout)
	work := newHandlers(ctx, c, visibilityTimeout)
	asking := newPolling(c, visibilityTimeout, work)

	alive, die := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	defer beside.Wait()
	defer die()
	beside.Add(1)
	go func() {
		defer beside.Done()
		c.membership.keep(alive, found.Config.SessionTimeout.Duration()/3)
	}()
	if c.config.MaxConcurrency > 0 {
		beside.Add(1)
		go func() {
			defer beside.Done()
			newScaling(c, work).run(ctx)
		}()
	}
	err = asking.run(ctx)
	c.finish(work, hurry)
	return err
}

// find is the queue, however long the server is away; nil when the context ended first.
func (c *consumer) find(ctx context.Context) (*Queue, error) {
	policy := newRetryPolicy(0)
	for failures := 1; ; failures++ {
		found, err := c.client.Get(ctx, c.queue)
		switch {
		case err == nil:
			return found, nil
		case ctx.Err() != nil:
			return nil, nil
		case errors.Is(err, ErrClientClosed) || !isTransient(asError(err)):
			return nil, err
		}
		c.reports.backOff(ctx, policy, failures, err)
	}
}

// finish: handlers first, since leaving gives back whatever is still leased to this member.
func (c *consumer) finish(work *handlers, hurry <-chan struct{}) {
	grace := c.config.Grace
	if grace == None {
		grace = 0
	}
	if !work.finish(hurry, grace.Duration()) {
		c.reports.failed(fmt.Errorf("a handler of %s runs on after its context ended", c.queue), nil)
	}
	work.close()
	c.membership.leave()
}
