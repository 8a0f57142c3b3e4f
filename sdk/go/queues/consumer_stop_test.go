package queues

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestAStopWaitsForHandlersThenLeaves(t *testing.T) {
	var endedEarly atomic.Bool
	handler := func(message *Message) error {
		time.Sleep(8 * time.Second)
		endedEarly.Store(message.Context().Err() != nil)
		return nil
	}
	consume(t, one("a"), ConsumerConfig{Handler: handler}, func(c *consuming) {
		c.after(2)
		if err := c.end(); err != nil {
			t.Error(err)
		}
		c.broker.add(fields{"payload": "late"})
		c.after(60)
		c.expectEvents("acks", 8)
		c.expectEvents("leave", 8)
		if polls := c.broker.events("receive"); polls[len(polls)-1].at > 2*time.Second || endedEarly.Load() {
			t.Error("it polled after the stop, or interrupted the handler")
		}
	})
}

func TestAfterTheGraceHandlersAreInterruptedAndTheirMessagesGivenBack(t *testing.T) {
	handler := func(message *Message) error {
		<-message.Context().Done()
		return errors.New("cut off")
	}
	consume(t, one("a"), ConsumerConfig{Handler: handler, Grace: 3}, func(c *consuming) {
		c.after(2)
		if err := c.end(); err != nil {
			t.Error(err)
		}
		c.expectEvents("releases", 5)
		c.expectEvents("leave", 5)
		c.expectOutcomes(HandledReleased)
		if len(c.errors) != 0 {
			t.Errorf("told of %v", c.errors)
		}
	})
}

func TestAHandlerThatNeverEndsHoldsAStopUpForSoLong(t *testing.T) {
	var free chan struct{}
	busy := func() *broker { free = make(chan struct{}); return newBroker("a") }
	handler := func(*Message) error { <-free; return nil }
	consume(t, busy, ConsumerConfig{Handler: handler, Grace: None}, func(c *consuming) {
		c.after(2)
		if err := c.end(); err != nil {
			t.Error(err)
		}
		c.expectEvents("leave", 7)
		if len(c.errors) != 1 {
			t.Errorf("told of %v", c.errors)
		}
		close(free)
	})
}

func TestStopFromAHandlerAndClose(t *testing.T) {
	var b *broker
	stopping := func() *broker { b = newBroker("a"); return b }
	handler := func(*Message) error { b.made.Stop(); return nil }
	consume(t, stopping, ConsumerConfig{Handler: handler}, func(c *consuming) {
		if err := c.wait(); err != nil {
			t.Error(err)
		}
		c.expectOutcomes(HandledAcked)
	})
	early := func() *broker { b = newBroker(); return b }
	consume(t, early, ConsumerConfig{Handler: handler}, func(c *consuming) {
		other := b.client()
		other.Stop()
		if err := other.ConsumeContext(c.t.Context(), "q", ConsumerConfig{Handler: handler}); err != nil {
			t.Error(err)
		}
	})
	consume(t, one(), ConsumerConfig{Handler: handler}, func(c *consuming) {
		c.after(1)
		c.client.Close()
		if err := c.wait(); !errors.Is(err, ErrClientClosed) {
			t.Errorf("it ended with %v", err)
		}
	})
}

func TestAMessageThatComesAtTheMomentOfAStopIsHandled(t *testing.T) {
	config := ConsumerConfig{Handler: func(*Message) error { return nil }}
	consume(t, one(), config, func(c *consuming) {
		c.after(0.05)
		c.stop()
		c.after(0.05)
		c.broker.add(fields{"payload": "late"})
		if err := c.wait(); err != nil {
			t.Error(err)
		}
		c.expectOutcomes(HandledAcked)
	})
	consume(t, one(), config, func(c *consuming) { // a poll that has waited for long is ended at once
		c.after(5)
		if err := c.end(); err != nil {
			t.Error(err)
		}
		c.expectEvents("leave", 5)
	})
}

func TestASecondSignalEndsTheGrace(t *testing.T) {
	b := newBroker("a")
	c := b.client()
	defer c.Close()
	var outcome HandledAs
	err := c.Consume("q", ConsumerConfig{
		Handler: func(message *Message) error {
			for _, one := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
				if err := syscall.Kill(syscall.Getpid(), one); err != nil {
					return err
				}
			}
			select {
			case <-message.Context().Done():
				return message.Context().Err()
			case <-time.After(20 * time.Second):
				return errors.New("the grace goes on")
			}
		},
		OnHandled: func(event Handled) { outcome = event.Outcome },
	})
	if err != nil || outcome != HandledReleased || len(b.events("releases")) != 1 {
		t.Errorf("%v, %s", err, outcome)
	}
}
