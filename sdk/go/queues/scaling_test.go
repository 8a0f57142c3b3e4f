package queues

import (
	"math"
	"sync/atomic"
	"testing"
	"time"
)

func TestConcurrencyFollowsBacklogAndHandlerTime(t *testing.T) {
	s := scale{min: 2, max: 50, current: 2}
	busy := func(backlog float64) seen { return seen{backlog: backlog, handler: 0.1, busy: true} }
	steps := []struct {
		about    string
		now      seen
		expected int
	}{
		{"nothing is known yet", seen{}, 2},
		{"two do 100 messages of 0.1 s in 5 s", busy(100), 2},
		{"a large backlog doubles it", busy(1000), 4},
		{"what that brought is to be seen yet", busy(1000), 4},
		{"it doubles again", busy(1000), 8},
		{"", busy(1000), 8},
		{"up to what is wanted: 600 * 0.1 / 5", busy(600), 12},
		{"", busy(600), 12},
		{"idle handlers need no more", seen{backlog: 6000, handler: 0.1}, 12},
		{"", busy(6000), 24},
		{"", busy(6000), 24},
		{"", busy(6000), 48},
		{"", busy(6000), 48},
		{"up to the maximum at last", busy(6000), 50},
		{"it shrinks by a quarter at a time", seen{backlog: 1, handler: 0.1}, 38},
		{"also when nothing ended", seen{}, 29},
	}
	for _, step := range steps {
		if got := s.next(step.now); got != step.expected {
			t.Fatalf("%s: %d, expected %d", step.about, got, step.expected)
		}
	}
	for range 50 {
		s.next(seen{handler: 0.1})
	}
	if s.current != 2 {
		t.Errorf("idle, it is %d", s.current)
	}
}

func TestHandlersThatOnlySlowEachOtherAreTakenBack(t *testing.T) {
	s := scale{min: 1, max: 64, current: 1}
	most, last := 0, 0
	for range 200 { // a service that bears eight at once, whatever their number
		handler := 0.1 * math.Max(1, float64(s.current)/8)
		last = s.next(seen{backlog: 100_000, handler: handler, busy: true})
		most = max(most, last)
	}
	if most > 16 || last < 8 {
		t.Errorf("it went up to %d, and is %d", most, last)
	}
}

func TestAConsumerScales(t *testing.T) {
	var running, most atomic.Int32
	handler := func(*Message) error {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(700 * time.Millisecond)
		running.Add(-1)
		return nil
	}
	backlog := func() *broker {
		b := newBroker()
		for number := range 300 {
			b.add(fields{"payload": number})
		}
		b.waiting = 300
		return b
	}
	config := ConsumerConfig{Handler: handler, MinConcurrency: 2, MaxConcurrency: 20}
	consume(t, backlog, config, func(c *consuming) {
		c.after(0.5)
		if running.Load() != 2 {
			t.Errorf("it begins with %d", running.Load())
		}
		c.after(25)
		if most.Load() != 20 || len(c.outcomes()) != 300 {
			t.Errorf("it went up to %d, and has handled %d", most.Load(), len(c.outcomes()))
		}
		c.broker.guard.Lock()
		c.broker.waiting = 0
		c.broker.guard.Unlock()
		c.after(60)
		for number := range 50 {
			c.broker.add(fields{"payload": number})
		}
		most.Store(0)
		c.after(0.5)
		if most.Load() > 3 {
			t.Errorf("after a rest it begins with %d", most.Load())
		}
	})
}
