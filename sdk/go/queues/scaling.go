package queues

import (
	"context"
	"math"
	"time"
)

const (
	scaleInterval = time.Second
	// drainWithin is how soon a backlog should be worked off: shorter makes for more handlers.
	drainWithin = 5.0
	// gainMin: handlers that were added have to bring so much more throughput; else what they use is saturated.
	gainMin = 1.05
	// holdFor: so many looks concurrency stays where more of it brought nothing.
	holdFor = 10
)

// scale is what concurrency should be, by Little's law: to work off the backlog in time takes backlog * handler time /
// time handlers. It grows to the double and shrinks by a quarter at most, one look at a time, so that a burst is met soon
// and does not make it flap. When handlers that were added only made all of them slower, they are taken back, and
// concurrency stays there for a while: what they share is the limit. Pure.
type scale struct {
	min, max int
	current  int
	grownBy  int     // since the last look
	before   float64 // throughput before it grew
	hold     int     // looks that growth waits
}

// seen is one look: how many messages wait for this consumer and those in its hands, how long a handler takes, how many
// deliveries ended in a second, and whether all handlers were busy.
type seen struct {
	backlog    float64
	handler    float64
	throughput float64
	busy       bool
}

func (s *scale) next(now seen) int {
	wanted := s.current
	if now.handler > 0 {
		wanted = int(math.Ceil(now.backlog * now.handler / drainWithin))
	}
	grown, before := s.grownBy, s.before
	s.grownBy = 0
	s.hold = max(0, s.hold-1)
	switch {
	case grown > 0 && now.busy && now.throughput < before*gainMin:
		s.hold = holdFor
		s.current -= grown
	case wanted > s.current && now.busy && s.hold == 0:
		s.grownBy = min(wanted, 2*s.current, s.max) - s.current
		s.before = now.throughput
		s.current += s.grownBy
	case wanted < s.current:
		s.current = max(wanted, s.current-max(1, s.current/4))
	}
	s.current = min(max(s.current, s.min), s.max)
	return s.current
}

// scaling looks at the backlog and at the handlers, and sets how many may run.
type scaling struct {
	consumer *consumer
	handlers *handlers
	scale    scale
	done     int
	lookedAt time.Time
}

func newScaling(c *consumer, work *handlers) *scaling {
	return &scaling{
		consumer: c, handlers: work, lookedAt: time.Now(),
		scale: scale{min: c.config.MinConcurrency, max: c.config.MaxConcurrency, current: c.config.Concurrency},
	}
}

// run goes on until the context ends. Where the server can't be asked, concurrency stays as it is.
func (s *scaling) run(ctx context.Context) {
	for pause(ctx, scaleInterval); ctx.Err() == nil; pause(ctx, scaleInterval) {
		group, err := s.consumer.client.GetGroup(ctx, s.consumer.queue, s.consumer.config.ConsumerGroup)
		if err == nil {
			s.handlers.setLimit(s.scale.next(s.look(group)))
		}
	}
}

// look: the backlog is shared by the members of the group.
func (s *scaling) look(group *Group) seen {
	now := time.Now()
	took := now.Sub(s.lookedAt).Seconds()
	s.lookedAt = now
	s.handlers.guard.Lock()
	defer s.handlers.guard.Unlock()
	ended := s.handlers.done - s.done
	s.done = s.handlers.done
	inHand := 0
	for call := range s.handlers.running {
		inHand += len(call.deliveries)
	}
	perMessage := s.handlers.took.value / math.Max(1, s.handlers.size.value)
	return seen{
		backlog:    float64(group.Lag)/math.Max(1, float64(len(group.Members))) + float64(inHand),
		handler:    perMessage,
		throughput: float64(ended) / math.Max(took, 0.001),
		busy:       len(s.handlers.running) >= s.handlers.limit,
	}
}
