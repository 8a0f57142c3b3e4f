package queues

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// broker answers a consumer as the server would, in memory and at once, so that a test runs in synctest's time. It
// notes what the consumer did, and when.
type broker struct {
	guard   sync.Mutex
	began   time.Time
	ready   []fields
	arrived chan struct{}
	limited fields // what an empty receive says
	log     []event
	waiting int     // what the group says is ready
	made    *Client // of the test's consumer

	settle func(kind string, entry fields) (result any) // nil: done
	answer func(request *http.Request) *http.Response   // nil: as usual
}

// event is something the consumer did: a kind such as "acks", with what it sent.
type event struct {
	at   time.Duration
	kind string
	sent fields
}

func newBroker(payloads ...any) *broker {
	b := &broker{began: time.Now(), arrived: make(chan struct{}, 1)}
	for _, payload := range payloads {
		b.add(fields{"payload": payload})
	}
	return b
}

func (b *broker) add(message fields) {
	b.guard.Lock()
	defer b.guard.Unlock()
	number := len(b.ready) + len(b.log) + 1
	full := fields{
		"id": fmt.Sprintf("m%d", number), "queue": "q", "metadata": fields{}, "priority": 1, "deliveries": 1, "attempts": 0,
		"receipt": fmt.Sprintf("r%d", number), "enqueuedAt": "2026-01-02T03:04:05.678Z",
		"leasedUntil": "2026-01-02T03:04:35.678Z",
	}
	for name, value := range message {
		full[name] = value
	}
	b.ready = append(b.ready, full)
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

func (b *broker) note(kind string, sent fields) {
	b.guard.Lock()
	defer b.guard.Unlock()
	b.log = append(b.log, event{time.Since(b.began), kind, sent})
}

// events is what the consumer did of these kinds, in order.
func (b *broker) events(kinds ...string) []event {
	b.guard.Lock()
	defer b.guard.Unlock()
	var found []event
	for _, one := range b.log {
		if slices.Contains(kinds, one.kind) {
			found = append(found, one)
		}
	}
	return found
}

func (b *broker) RoundTrip(request *http.Request) (*http.Response, error) {
	if b.answer != nil {
		if answer := b.answer(request); answer != nil {
			return answer, nil
		}
	}
	path := request.URL.Path
	switch {
	case request.Method == "GET" && strings.HasSuffix(path, "/messages"):
		return b.receive(request)
	case strings.HasSuffix(path, "/settle"):
		return b.settleAll(request)
	case strings.HasSuffix(path, "/ack"):
		b.note("ack", body(request))
		return reply(200, fields{"state": "acked", "already": false, "enqueued": []any{fields{"id": "f1"}}}), nil
	case request.Method == "PUT":
		b.note("heartbeat", nil)
		return reply(200, fields{"sessionUntil": "2026-01-02T03:04:35.678Z"}), nil
	case request.Method == "DELETE":
		b.note("leave", nil)
		return reply(200, fields{"released": 0}), nil
	case strings.HasSuffix(path, "/groups/default"):
		b.guard.Lock()
		defer b.guard.Unlock()
		return reply(200, fields{"name": "default", "counts": fields{"ready": b.waiting}, "members": []any{fields{"id": "me"}}}), nil
	}
	return reply(200, fields{"name": "q", "config": fields{"visibilityTimeout": 30, "sessionTimeout": 30}}), nil
}

func (b *broker) receive(request *http.Request) (*http.Response, error) {
	query := request.URL.Query()
	b.note("receive", fields{"maxMessages": query.Get("maxMessages"), "attemptId": query.Get("attemptId")})
	var most, wait float64
	_, _ = fmt.Sscan(query.Get("maxMessages"), &most)
	_, _ = fmt.Sscan(query.Get("waitTime"), &wait)
	until := time.NewTimer(Seconds(wait).Duration())
	defer until.Stop()
	for {
		b.guard.Lock()
		taken := b.ready[:min(len(b.ready), int(most))]
		b.ready = b.ready[len(taken):]
		limited := b.limited
		b.guard.Unlock()
		if len(taken) > 0 || limited != nil {
			answer := fields{"messages": taken}
			if len(taken) == 0 {
				answer["limitedBy"], answer["retryAfter"] = limited["limitedBy"], limited["retryAfter"]
			}
			return reply(200, answer), nil
		}
		select {
		case <-b.arrived:
		case <-until.C:
			return reply(200, fields{"messages": []any{}}), nil
		case <-request.Context().Done():
			return nil, request.Context().Err()
		}
	}
}

func (b *broker) settleAll(request *http.Request) (*http.Response, error) {
	answer := fields{"failed": 0}
	sent := body(request)
	for _, kind := range []string{"acks", "nacks", "extends", "releases"} {
		results := []any{}
		entries, _ := sent[kind].([]any)
		for _, one := range entries {
			entry := one.(fields)
			b.note(kind, entry)
			var result any
			if b.settle != nil {
				result = b.settle(kind, entry)
			}
			if result == nil {
				result = fields{"state": "ready", "already": false, "leasedUntil": "2026-01-02T03:04:35.678Z"}
			}
			results = append(results, result)
		}
		answer[kind] = results
	}
	return reply(200, answer), nil
}

func body(request *http.Request) fields {
	text, _ := io.ReadAll(request.Body)
	return parse(text).(fields)
}

func reply(status int, value any) *http.Response {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text))}
}

func refusal(code Code) fields {
	return fields{"error": fields{"code": string(code), "detail": "it is"}}
}

func (b *broker) client() *Client {
	return New("test-key", WithURL("http://server.test"), WithHTTPClient(&http.Client{Transport: b}))
}

// consuming is a consumer that runs in a test.
type consuming struct {
	t       *testing.T
	broker  *broker
	client  *Client
	stop    context.CancelFunc
	ended   chan struct{}
	err     error // how it ended
	guard   sync.Mutex
	errors  []error
	handled []Handled
}

// consume runs a test in synctest's time, with a consumer of the broker.
func consume(t *testing.T, start func() *broker, config ConsumerConfig, test func(c *consuming)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := start()
		ctx, stop := context.WithCancel(t.Context())
		b.made = b.client()
		c := &consuming{t: t, broker: b, client: b.made, stop: stop, ended: make(chan struct{})}
		config.OnError = func(err error, _ *Message) {
			c.guard.Lock()
			defer c.guard.Unlock()
			c.errors = append(c.errors, err)
		}
		config.OnHandled = func(event Handled) {
			c.guard.Lock()
			defer c.guard.Unlock()
			c.handled = append(c.handled, event)
		}
		go func() {
			defer close(c.ended)
			c.err = c.client.ConsumeContext(ctx, "q", config)
		}()
		test(c)
		_ = c.end()
		c.client.Close()
	})
}

// after lets so much time pass, and all that happens at its end.
func (c *consuming) after(seconds Seconds) {
	time.Sleep(seconds.Duration()) // synctest's time
	synctest.Wait()
}

// end stops the consumer, and waits for it.
func (c *consuming) end() error {
	c.stop()
	return c.wait()
}

// wait waits until it ends by itself.
func (c *consuming) wait() error {
	<-c.ended
	return c.err
}

func (c *consuming) outcomes() []HandledAs {
	c.guard.Lock()
	defer c.guard.Unlock()
	var all []HandledAs
	for _, one := range c.handled {
		all = append(all, one.Outcome)
	}
	return all
}

// expectEvents: the consumer did this, at these seconds.
func (c *consuming) expectEvents(kind string, seconds ...float64) {
	c.t.Helper()
	var at []float64
	for _, one := range c.broker.events(kind) {
		at = append(at, one.at.Round(time.Millisecond).Seconds())
	}
	if !slices.Equal(at, seconds) {
		c.t.Errorf("%s at %v s, expected %v", kind, at, seconds)
	}
}

func (c *consuming) expectOutcomes(expected ...HandledAs) {
	c.t.Helper()
	if got := c.outcomes(); !slices.Equal(got, expected) {
		c.t.Errorf("outcomes are %v, expected %v", got, expected)
	}
}
