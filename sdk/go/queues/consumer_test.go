package queues

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func one(payloads ...any) func() *broker {
	return func() *broker { return newBroker(payloads...) }
}

func TestAHandlerSaysWhatBecomesOfItsMessage(t *testing.T) {
	said := errors.New("no luck")
	handler := func(message *Message) error {
		var what string
		if err := message.Decode(&what); err != nil {
			return err
		}
		switch what {
		case "fail":
			return said
		case "retry":
			return Retry(said, 7)
		case "retry now":
			return Retry(said, None)
		case "reject":
			return Reject(said)
		case "limited":
			return Limited(said, 9)
		case "panic":
			panic("aaah")
		case "exit":
			runtime.Goexit()
		}
		return nil
	}
	tests := []struct {
		payload, kind string
		sent          fields
		outcome       HandledAs
	}{
		{"return", "acks", fields{}, HandledAcked},
		{"fail", "nacks", fields{"error": "no luck"}, HandledRetried},
		{"retry", "nacks", fields{"error": "no luck", "delay": 7.0}, HandledRetried},
		{"retry now", "nacks", fields{"error": "no luck", "delay": 0.0}, HandledRetried},
		{"reject", "nacks", fields{"error": "no luck", "reject": true}, HandledRejected},
		{"limited", "releases", fields{"delay": 9.0}, HandledReleased},
		{"panic", "nacks", fields{"error": fields{"$match": "(?s)panic: aaah.*consumer_test.*"}}, HandledRetried},
		{"exit", "nacks", fields{"error": "the handler ended its goroutine"}, HandledRetried},
	}
	for _, test := range tests {
		t.Run(test.payload, func(t *testing.T) {
			consume(t, one(test.payload), ConsumerConfig{Handler: handler}, func(c *consuming) {
				c.after(1)
				c.expectOutcomes(test.outcome)
				sent := c.broker.events("acks", "nacks", "releases", "extends")
				if len(sent) != 1 || sent[0].kind != test.kind {
					t.Fatalf("sent %v", sent)
				}
				test.sent["id"], test.sent["receipt"] = "m1", "r1"
				if found := differs(plain(test.sent), sent[0].sent, true); found != "" {
					t.Error(found)
				}
				if told := len(c.errors) > 0; told == (test.outcome == HandledAcked || test.outcome == HandledReleased) {
					t.Errorf("told of %v", c.errors)
				}
				if err := c.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestALeaseIsExtendedAtAThirdOfItAsLongAsTheHandlerRuns(t *testing.T) {
	config := ConsumerConfig{Handler: func(*Message) error { time.Sleep(35 * time.Second); return nil }}
	consume(t, one(1, 2), config, func(c *consuming) {
		c.after(100)
		c.expectEvents("extends", 10, 10, 20, 20, 30, 30)
		c.expectEvents("acks", 35, 35)
	})
}

func TestALostLeaseEndsTheHandlersContext(t *testing.T) {
	ends := func(code Code) func() *broker {
		return func() *broker {
			b := newBroker("a")
			b.settle = func(kind string, _ fields) any {
				if kind == "extends" {
					return refusal(code)
				}
				return nil
			}
			return b
		}
	}
	lost := ends(ErrLeaseLost)
	var noticed time.Duration
	handler := func(message *Message) error {
		began := time.Now()
		select {
		case <-message.Context().Done():
			noticed = time.Since(began)
			return message.Context().Err()
		case <-time.After(25 * time.Second):
			noticed = 0
			return nil
		}
	}
	for _, code := range []Code{ErrLeaseLost, ErrMessageNotFound, ErrQueueNotFound} {
		consume(t, ends(code), ConsumerConfig{Handler: handler}, func(c *consuming) {
			c.after(60)
			c.expectOutcomes(HandledLeaseLost)
			c.expectEvents("extends", 10)
			if settled := c.broker.events("acks", "nacks", "releases"); noticed != 10*time.Second || settled != nil {
				t.Errorf("noticed after %v, and sent %v", noticed, settled)
			}
		})
	}
	consume(t, lost, ConsumerConfig{Handler: handler, RunOnLeaseLost: true}, func(c *consuming) {
		c.after(60)
		c.expectOutcomes(HandledLeaseLost)
		if noticed != 0 || c.broker.events("acks") != nil {
			t.Error("the handler was interrupted, or acked what may be another's")
		}
	})
}

func TestAnExtensionThatFailsOtherwiseIsTriedAgain(t *testing.T) {
	config := ConsumerConfig{Handler: func(*Message) error { time.Sleep(25 * time.Second); return nil }}
	failing := func() *broker {
		b := newBroker("a")
		b.settle = func(kind string, _ fields) any {
			if kind == "extends" {
				return refusal(ErrInternalError)
			}
			return nil
		}
		return b
	}
	consume(t, failing, config, func(c *consuming) {
		c.after(60)
		c.expectEvents("extends", 10, 20)
		c.expectOutcomes(HandledAcked)
		if len(c.errors) != 2 || !errors.Is(c.errors[0], ErrInternalError) {
			t.Errorf("told of %v", c.errors)
		}
	})
}

func TestNoMoreIsReceivedThanCanStart(t *testing.T) {
	var running, most atomic.Int32
	handler := func(*Message) error {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(time.Second)
		running.Add(-1)
		return nil
	}
	consume(t, one(1, 2, 3, 4, 5, 6, 7), ConsumerConfig{Handler: handler, Concurrency: 3}, func(c *consuming) {
		c.after(0.5)
		asked := c.broker.events("receive")
		if most.Load() != 3 || len(asked) != 1 || asked[0].sent["maxMessages"] != "3" {
			t.Errorf("%d ran at once; asked %v", most.Load(), asked)
		}
		c.after(10)
		if most.Load() != 3 || len(c.outcomes()) != 7 {
			t.Errorf("%d ran at once; handled %v", most.Load(), c.outcomes())
		}
	})
}

func TestALimitIsSleptOut(t *testing.T) {
	limited := func() *broker {
		b := newBroker()
		b.limited = fields{"limitedBy": "queue", "retryAfter": 4}
		return b
	}
	consume(t, limited, ConsumerConfig{Handler: func(*Message) error { return nil }}, func(c *consuming) {
		c.after(13)
		c.expectEvents("receive", 0, 4, 8, 12)
	})
}

func TestABusyMemberSendsHeartbeats(t *testing.T) {
	config := ConsumerConfig{Concurrency: 1, Handler: func(*Message) error { time.Sleep(35 * time.Second); return nil }}
	consume(t, one("a"), config, func(c *consuming) {
		c.after(40)
		c.expectEvents("heartbeat", 10, 20, 30)
	})
}

func TestAMessageWhoseKeyIsStillAtWorkHereWaits(t *testing.T) {
	var running, most atomic.Int32
	handler := func(*Message) error {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(15 * time.Second) // it does not look at its context
		running.Add(-1)
		return nil
	}
	keyed := func() *broker {
		b := newBroker()
		b.settle = func(kind string, entry fields) any {
			if kind == "extends" && entry["id"] == "first" {
				b.add(fields{"payload": 1, "orderingKey": "k", "id": "again", "receipt": "again"})
				return refusal(ErrLeaseLost)
			}
			return nil
		}
		b.add(fields{"payload": 1, "orderingKey": "k", "id": "first"})
		return b
	}
	consume(t, keyed, ConsumerConfig{Handler: handler}, func(c *consuming) {
		c.after(40)
		c.expectOutcomes(HandledLeaseLost, HandledAcked)
		c.expectEvents("acks", 30)
		if most.Load() != 1 {
			t.Errorf("%d ran at once", most.Load())
		}
	})
}

func TestWhatIsDoneIsAckedWhenTheServerIsBack(t *testing.T) {
	away := func() *broker {
		b := newBroker("a")
		b.answer = func(request *http.Request) *http.Response {
			if strings.HasSuffix(request.URL.Path, "/settle") && time.Since(b.began) < 12*time.Second {
				return reply(503, fields{"code": "shutting_down"})
			}
			return nil
		}
		return b
	}
	consume(t, away, ConsumerConfig{Handler: func(*Message) error { return nil }}, func(c *consuming) {
		c.after(60)
		c.expectOutcomes(HandledAcked)
	})
}

func TestAConsumerOutlivesTheServersAbsence(t *testing.T) {
	away := func() *broker {
		b := newBroker("a")
		b.answer = func(*http.Request) *http.Response {
			if time.Since(b.began) < time.Minute {
				return reply(503, fields{"code": "shutting_down"})
			}
			return nil
		}
		return b
	}
	consume(t, away, ConsumerConfig{Handler: func(*Message) error { return nil }}, func(c *consuming) {
		c.after(180)
		c.expectOutcomes(HandledAcked)
		if len(c.errors) == 0 || !errors.Is(c.errors[0], ErrShuttingDown) {
			t.Errorf("told of %v", c.errors)
		}
	})
}

func TestAConsumerThatCantStartSaysWhy(t *testing.T) {
	missing := func() *broker {
		b := newBroker()
		b.answer = func(*http.Request) *http.Response { return reply(404, fields{"code": "queue_not_found"}) }
		return b
	}
	consume(t, missing, ConsumerConfig{Handler: func(*Message) error { return nil }}, func(c *consuming) {
		if err := c.wait(); !errors.Is(err, ErrQueueNotFound) {
			t.Errorf("it ended with %v", err)
		}
	})
	for _, config := range []ConsumerConfig{
		{},
		{Handler: func(*Message) error { return nil }, WaitTime: 31},
		{Handler: func(*Message) error { return nil }, Concurrency: -1},
		{Handler: func(*Message) error { return nil }, MinConcurrency: 5, MaxConcurrency: 4},
	} {
		if err := New("k").ConsumeContext(t.Context(), "q", config); !errors.Is(err, ErrArgumentInvalid) {
			t.Errorf("%+v: %v", config, err)
		}
	}
}

func TestTheHandlersContextCarriesTheTraceOfTheEnqueue(t *testing.T) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	got := make(chan string, 1)
	handler := func(message *Message) error { got <- TraceparentOf(message.Context()); return nil }
	traced := func() *broker {
		b := newBroker()
		b.add(fields{"payload": 1, "traceparent": trace})
		return b
	}
	got = make(chan string, 1)
	consume(t, traced, ConsumerConfig{Handler: handler}, func(c *consuming) { c.after(1) })
	if found := <-got; found != trace {
		t.Errorf("it carries %q", found)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		var sent []fields
		b.answer = func(request *http.Request) *http.Response {
			sent = append(sent, body(request))
			return reply(201, fields{"id": "1", "state": "ready"})
		}
		c := b.client()
		defer c.Close()
		ctx := ContextWithTraceparent(context.Background(), trace)
		for _, params := range []EnqueueParams{{Queue: "q"}, {Queue: "q", Traceparent: "own"}} {
			if _, err := c.EnqueueContext(ctx, params); err != nil {
				t.Error(err)
			}
		}
		if sent[0]["traceparent"] != trace || sent[1]["traceparent"] != "own" {
			t.Errorf("sent %v", sent)
		}
	})
}

func TestScriptsOfBatches(t *testing.T) {
	var sizes []int
	handler := func(_ context.Context, batch []*Message) error {
		sizes = append(sizes, len(batch))
		each := make(BatchErrors, len(batch))
		for index, message := range batch {
			if string(message.Payload) == "3" {
				each[index] = Reject(errors.New("unlucky"))
			}
		}
		return each
	}
	config := ConsumerConfig{BatchHandler: handler, BatchSize: 4, BatchWait: 2}
	consume(t, one(1, 2, 3), config, func(c *consuming) {
		c.after(1)
		c.broker.add(fields{"payload": 4, "id": "m4", "receipt": "r4"})
		c.after(0.5)
		c.broker.add(fields{"payload": 5, "id": "m5", "receipt": "r5"})
		c.after(5)
		if !slices.Equal(sizes, []int{4, 1}) {
			t.Errorf("batches of %v", sizes)
		}
		acked, nacked := c.broker.events("acks"), c.broker.events("nacks")
		if len(acked) != 4 || len(nacked) != 1 || nacked[0].sent["id"] != "m3" || nacked[0].sent["reject"] != true {
			t.Errorf("acked %v, nacked %v", acked, nacked)
		}
	})
}
