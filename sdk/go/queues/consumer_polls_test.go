package queues

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func isReceive(request *http.Request) bool {
	return request.Method == "GET" && strings.HasSuffix(request.URL.Path, "/messages")
}

// refusing is a broker that answers receives like this until then, and notes that it did.
func refusing(until time.Duration, status int, code Code, refused func(*http.Request) bool) func() *broker {
	return func() *broker {
		b := newBroker("a")
		b.answer = func(request *http.Request) *http.Response {
			if isReceive(request) && time.Since(b.began) >= 5*time.Second && time.Since(b.began) < until && refused(request) {
				b.note("refused", fields{"attemptId": request.URL.Query().Get("attemptId")})
				return reply(status, fields{"code": string(code)})
			}
			return nil
		}
		return b
	}
}

func all(*http.Request) bool { return true }

func TestAPollThatFailsIsRepeatedAsTheSameOne(t *testing.T) {
	config := ConsumerConfig{Handler: func(*Message) error { return nil }, WaitTime: 6}
	consume(t, refusing(20*time.Second, 503, ErrShuttingDown, all), config, func(c *consuming) {
		c.after(60)
		ids := map[string]int{}
		refused := c.broker.events("refused")
		for _, event := range refused {
			ids[event.sent["attemptId"].(string)]++
		}
		polls := c.broker.events("receive")
		if len(refused) < 3 || len(ids) != 1 {
			t.Errorf("%d refused polls had %d ids", len(refused), len(ids))
		}
		for _, event := range polls {
			ids[event.sent["attemptId"].(string)]++
		}
		if len(ids) != len(polls) {
			t.Errorf("%d polls had %d ids", len(polls), len(ids))
		}
	})
}

func TestWhatIsRefusedLaterEndsNoConsumer(t *testing.T) {
	config := ConsumerConfig{Handler: func(*Message) error { return nil }, WaitTime: 6}
	consume(t, refusing(20*time.Second, 404, ErrQueueNotFound, all), config, func(c *consuming) {
		c.after(30)
		c.broker.add(fields{"payload": "b"})
		c.after(30)
		c.expectOutcomes(HandledAcked, HandledAcked)
		if len(c.errors) == 0 || !errors.Is(c.errors[0], ErrQueueNotFound) {
			t.Errorf("told of %v", c.errors)
		}
	})
}

func TestASmallerBatchIsAskedForWhereTheServersLimitIsSmaller(t *testing.T) {
	large := func(request *http.Request) bool { return len(request.URL.Query().Get("maxMessages")) > 1 }
	config := ConsumerConfig{Handler: func(*Message) error { return nil }, WaitTime: 1, Concurrency: 40}
	consume(t, refusing(time.Hour, 400, ErrRequestInvalid, large), config, func(c *consuming) {
		c.after(20)
		if asked := c.broker.events("receive"); asked[len(asked)-1].sent["maxMessages"] != "5" {
			t.Errorf("it asked for %v", asked[len(asked)-1].sent)
		}
	})
}

func TestAMemberThatPollsSendsNoHeartbeats(t *testing.T) {
	config := ConsumerConfig{Handler: func(*Message) error { return nil }, WaitTime: 25}
	consume(t, one(), config, func(c *consuming) {
		c.after(100)
		c.expectEvents("heartbeat")
	})
}

func TestAHandlerMaySettleItsMessage(t *testing.T) {
	var b *broker
	start := func() *broker { b = newBroker("a"); return b }
	handler := func(message *Message) error {
		held, err := b.made.Held(message.ID)
		if err != nil {
			return err
		}
		_, err = b.made.Nack(message.Context(), held, NackParams{Delay: 60})
		return err
	}
	consume(t, start, ConsumerConfig{Handler: handler}, func(c *consuming) {
		c.after(1)
		c.expectOutcomes(HandledSettled)
		c.expectEvents("acks")
	})
}

func TestWhatAnAckCantLeaveBehind(t *testing.T) {
	refused := func() *broker {
		b := newBroker("a")
		b.answer = func(request *http.Request) *http.Response {
			if strings.HasSuffix(request.URL.Path, "/ack") {
				return reply(409, fields{"code": "batch_aborted", "detail": "no such queue"})
			}
			return nil
		}
		return b
	}
	follows := func(message *Message) error {
		message.OnAck(AckParams{Enqueue: []EnqueueParams{{Queue: "gone", Payload: 1}}})
		return nil
	}
	consume(t, refused, ConsumerConfig{Handler: follows}, func(c *consuming) {
		c.after(1)
		c.expectOutcomes(HandledRetried) // what should follow did not: the work is not done
		if nacked := c.broker.events("nacks"); len(nacked) != 1 || nacked[0].sent["error"] != "batch_aborted: no such queue" {
			t.Errorf("nacked %v", nacked)
		}
	})
	unfit := func(message *Message) error {
		message.OnAck(AckParams{Result: make(chan int)})
		return nil
	}
	consume(t, one("a"), ConsumerConfig{Handler: unfit}, func(c *consuming) {
		c.after(1)
		c.expectOutcomes(HandledAcked) // a result that can't be kept undoes no work
		if len(c.errors) != 1 || !errors.Is(c.errors[0], ErrArgumentInvalid) {
			t.Errorf("told of %v", c.errors)
		}
	})
}

func TestABatchWhoseLeasesAreLostWhileItFillsIsNotHandled(t *testing.T) {
	lost := func() *broker {
		b := newBroker("a")
		b.settle = func(kind string, _ fields) any {
			if kind == "extends" {
				return refusal(ErrLeaseLost)
			}
			return nil
		}
		return b
	}
	calls := 0
	config := ConsumerConfig{
		BatchHandler: func(context.Context, []*Message) error { calls++; return nil }, BatchSize: 2, BatchWait: 15,
	}
	consume(t, lost, config, func(c *consuming) {
		c.after(30)
		c.expectOutcomes(HandledLeaseLost)
		if calls != 0 {
			t.Error("the handler got what may be another's")
		}
	})
}

func TestABatchGoesOnWhileOneLeaseIsLeft(t *testing.T) {
	half := func() *broker {
		b := newBroker("a", "b")
		b.settle = func(kind string, entry fields) any {
			if kind == "extends" && entry["id"] == "m1" {
				return refusal(ErrLeaseLost)
			}
			return nil
		}
		return b
	}
	var ended []bool
	handler := func(ctx context.Context, batch []*Message) error {
		time.Sleep(15 * time.Second)
		ended = []bool{ctx.Err() != nil, batch[0].Context().Err() != nil, batch[1].Context().Err() != nil}
		return nil
	}
	consume(t, half, ConsumerConfig{BatchHandler: handler}, func(c *consuming) {
		c.after(30)
		if !slices.Equal(ended, []bool{false, true, false}) {
			t.Errorf("contexts ended: %v", ended)
		}
		outcomes := c.outcomes()
		slices.Sort(outcomes)
		if !slices.Equal(outcomes, []HandledAs{HandledAcked, HandledLeaseLost}) {
			t.Errorf("outcomes are %v", outcomes)
		}
	})
}

func TestAHookThatPanicsStopsNothing(t *testing.T) {
	told := 0
	one := newReports("q", ConsumerConfig{
		OnError: func(error, *Message) { told++; panic("a hook") }, OnHandled: func(Handled) { told++; panic("a hook") },
		Logger: slog.New(slog.DiscardHandler),
	})
	one.failed(errors.New("no"), nil)
	one.handled(Handled{})
	if told != 2 {
		t.Errorf("told %d times", told)
	}
}

func TestABatchMayBeLargerThanARequestAndOutlivesOneThatFails(t *testing.T) {
	var sizes []int
	config := ConsumerConfig{BatchSize: 250, BatchHandler: func(_ context.Context, batch []*Message) error {
		sizes = append(sizes, len(batch))
		return nil
	}}
	many := func() *broker {
		b := newBroker()
		for number := range 250 {
			b.add(fields{"payload": number})
		}
		return b
	}
	consume(t, many, config, func(c *consuming) {
		c.after(1)
		if !slices.Equal(sizes, []int{250}) {
			t.Errorf("batches of %v", sizes)
		}
	})
	sizes = nil
	second := func() *broker {
		b := many()
		b.answer = func(request *http.Request) *http.Response {
			if isReceive(request) && request.URL.Query().Get("maxMessages") == "50" && time.Since(b.began) < time.Second {
				return reply(503, fields{"code": "shutting_down"})
			}
			return nil
		}
		return b
	}
	consume(t, second, config, func(c *consuming) {
		c.after(10)
		if !slices.Equal(sizes, []int{200, 50}) {
			t.Errorf("batches of %v", sizes)
		}
	})
}
