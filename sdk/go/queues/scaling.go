package queues

import (
	"context"
	"math"
	"time"
)

const (
	scaleInterval = time.Second
	// drainWithin is how soon a backlog should be worked off, in seconds: shorter makes for more handlers.
	drainWithin = 5.0
	// gainMin is the share of what handlers were added that their throughput has to grow by; else what they use is
	// saturated.
	gainMin = 1.0 / 3
	// judgedWithin bounds how many looks growth waits for handlers to show what it brought.
	judgedWithin = 10
	// holdFor: so many looks concurrency stays where more of it brought nothing.
	holdFor = 30
)

// scale is what concurrency should be, by Little's law: to work off the backlog in time takes backlog * handler time /
// time handlers. It grows to the double and shrinks by a quarter at most, one look at a time, so that a burst is met soon
// and does not make it flap. When handlers that were added only made all of them slower, they are taken back, and
// concurrency stays there for a while: what they share is the limit. Pure.
type scale struct {
	min, max int
	current  int
	handler  float64 // seconds a message takes, as seen last
	before   scaled  // what it was before it grew, while that is to be judged
	settling int     // looks until then
	hold     int     // looks that growth waits
}

// scaled is a concurrency, and how long a message took with it.
type scaled struct {
	handlers int
	handler  float64
}

// seen is one look: how many messages wait for this consumer or are in its hands, how many seconds those took that ended
// since the last look (0: none did), and whether all handlers were busy.
type seen struct {
	backlog float64
	handler float64
	busy    bool
}

func (s *scale) next(now seen) int {
	if now.handler > 0 {
		s.handler = now.handler
	}
	wanted := s.current
	if s.handler > 0 {
		wanted = int(math.Ceil(now.backlog * s.handler / drainWithin))
	}
	s.hold = max(0, s.hold-1)
	s.settling = max(0, s.settling-1)
	switch {
	case wanted < s.current:
		s.before = scaled{}
		s.current = max(wanted, s.current-max(1, s.current/4))
	case s.settling > 0 || !now.busy:
	case s.saturated():
		s.current, s.before, s.hold = s.before.handlers, scaled{}, holdFor
	case wanted > s.current && s.hold == 0:
		s.grow(wanted)
	}
	s.current = min(max(s.current, s.min), s.max)
	return s.current
}

func (s *scale) grow(wanted int) {
	s.before = scaled{s.current, s.handler}
	s.current = min(wanted, 2*s.current, s.max)
	// Handlers that began since must have ended: those of the look before tell of less concurrency.
	s.settling = min(int(math.Ceil(s.handler/scaleInterval.Seconds()))+1, judgedWithin)
}

// saturated: throughput, which is handlers / handler time, did not follow the growth that is to be judged.
func (s *scale) saturated() bool {
	if s.before.handlers == 0 || s.before.handlers >= s.current {
		return false
	}
	grown := float64(s.current)/float64(s.before.handlers) - 1
	gained := (1+grown)*s.before.handler/s.handler - 1
	return gained < gainMin*grown
}

// scaling looks at the backlog and at the handlers, and sets how many may run.
type scaling struct {
	consumer *consumer
	handlers *handlers
	scale    scale
}

func newScaling(c *consumer, work *handlers) *scaling {
	return &scaling{
		consumer: c, handlers: work,
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

// look: what is ready is shared by the members of the group.
func (s *scaling) look(group *Group) seen {
	took, messages, inHand, busy := s.handlers.look()
	now := seen{backlog: float64(group.Counts.Ready)/math.Max(1, float64(len(group.Members))) + float64(inHand), busy: busy}
	if messages > 0 {
		now.handler = took.Seconds() / float64(messages)
	}
	return now
}
