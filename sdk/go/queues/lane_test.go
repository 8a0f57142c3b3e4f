package queues

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// heldRequests wait, in a bubble, until they are let go.
type heldRequests struct {
	guard sync.Mutex
	sent  []string
	let   chan struct{}
}

func (h *heldRequests) RoundTrip(request *http.Request) (*http.Response, error) {
	text, _ := io.ReadAll(request.Body)
	h.guard.Lock()
	h.sent = append(h.sent, string(text))
	h.guard.Unlock()
	select {
	case <-h.let:
	case <-request.Context().Done():
		return nil, request.Context().Err()
	}
	if strings.HasSuffix(request.URL.Path, "/batch") {
		var batch struct{ Messages []any }
		_ = json.Unmarshal(text, &batch)
		results := []any{}
		for range batch.Messages {
			results = append(results, fields{"id": "2", "state": "ready"})
		}
		return reply(200, fields{"results": results}), nil
	}
	return reply(201, fields{"id": "1", "state": "ready"}), nil
}

func (h *heldRequests) client() *Client {
	return New("test-key", WithURL("http://server.test"), WithHTTPClient(&http.Client{Transport: h}))
}

func TestALaneLearnsWhatTheServerTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		var sizes []int
		held := make(chan struct{})
		b.answer = func(request *http.Request) *http.Response {
			messages, isBatch := body(request)["messages"].([]any)
			if !isBatch {
				<-held
				return reply(201, fields{"id": "1"})
			}
			sizes = append(sizes, len(messages))
			if len(messages) > 2 {
				return reply(413, fields{"code": "batch_too_large"})
			}
			return reply(200, fields{"results": []any{fields{"id": "1"}, fields{"id": "2"}}[:len(messages)]})
		}
		enqueueMany(t, b.client(), 9, func(int) any { return 1 }, func() { close(held) })
		// The first goes alone. Eight are halved twice, and from then on no request has more than two.
		if expected := []int{8, 4, 2, 2, 4, 2, 2}; !slices.Equal(sizes, expected) {
			t.Errorf("batches of %v, expected %v", sizes, expected)
		}
	})
}

func TestASharedRequestHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heldRequests{let: make(chan struct{})}
		large := strings.Repeat("a", requestBytesMax/3)
		enqueueMany(t, h.client(), 6, func(int) any { return large }, func() { close(h.let) })
		var sizes []int
		for _, sent := range h.sent {
			sizes = append(sizes, strings.Count(sent, "payload"))
		}
		if expected := []int{1, 2, 2, 1}; !slices.Equal(sizes, expected) {
			t.Errorf("requests of %v, expected %v", sizes, expected)
		}
	})
}

func TestAnAnswerOfAnotherShapeIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		held := make(chan struct{})
		b.answer = func(request *http.Request) *http.Response {
			<-held
			return reply(200, fields{"id": "1", "results": []any{fields{"id": "1"}}})
		}
		c := b.client()
		defer c.Close()
		failed := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := c.Enqueue(EnqueueParams{Queue: "q", Payload: 1})
				failed <- err
			}()
			synctest.Wait()
		}
		close(held)
		strange := 0
		for range 3 {
			if err := <-failed; err != nil && asError(err).Outcome == OutcomeUnknown {
				strange++
			}
		}
		if strange != 2 {
			t.Errorf("two of three had one result, and %d had an error", strange)
		}
	})
}

// enqueueMany makes so many calls, each when those before wait, and then lets them go.
func enqueueMany(t *testing.T, c *Client, calls int, payload func(int) any, let func()) {
	t.Helper()
	var group sync.WaitGroup
	for number := range calls {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := c.Enqueue(EnqueueParams{Queue: "q", Payload: payload(number)}); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
	}
	let()
	group.Wait()
	c.Close()
}

func TestCallsThatBeginTogetherShareARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heldRequests{let: make(chan struct{})}
		c := h.client()
		defer c.Close()
		close(h.let)
		var calls sync.WaitGroup
		for payload := range 1000 {
			calls.Add(1)
			go func() {
				defer calls.Done()
				if _, err := c.Enqueue(EnqueueParams{Queue: "q", Payload: payload}); err != nil {
					t.Error(err)
				}
			}()
		}
		calls.Wait()
		if len(h.sent) > 100 {
			t.Errorf("a thousand calls made %d requests", len(h.sent))
		}
	})
}

func TestAckAllSharesARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		b.settle = func(_ string, entry fields) any {
			if entry["id"] == "b" {
				return refusal(ErrLeaseLost)
			}
			return nil
		}
		requests := 0
		b.answer = func(*http.Request) *http.Response { requests++; return nil }
		c := b.client()
		defer c.Close()
		failed := c.AckAll(t.Context(), &Message{Queue: "q", ID: "a"}, &Message{Queue: "q", ID: "b"}, &Message{Queue: "q", ID: "c"})
		if failed[0] != nil || !errors.Is(failed[1], ErrLeaseLost) || failed[2] != nil || requests != 1 {
			t.Errorf("%v, in %d requests", failed, requests)
		}
	})
}

func TestAckAllOfAContextThatHasEndedSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		requests := 0
		b.answer = func(*http.Request) *http.Response { requests++; return nil }
		c := b.client()
		defer c.Close()
		ctx, end := context.WithCancel(t.Context())
		end()
		failed := c.AckAll(ctx, &Message{Queue: "q", ID: "a"}, &Message{Queue: "q", ID: "b"})
		synctest.Wait()
		for _, err := range failed {
			if !errors.Is(err, ErrInterrupted) || asError(err).Outcome != OutcomeNone {
				t.Errorf("%v", err)
			}
		}
		if requests != 0 || len(c.settles.lanes) != 0 {
			t.Errorf("%d requests of %d lanes", requests, len(c.settles.lanes))
		}
	})
}

func TestWhatWasCarriedOutIsForgottenThoughItsCallerHasLeft(t *testing.T) {
	ends := map[string]func(context.Context, *Client, *Message) error{
		"acks": func(ctx context.Context, c *Client, m *Message) error { _, err := c.Ack(ctx, m); return err },
		"all":  func(ctx context.Context, c *Client, m *Message) error { return c.AckAll(ctx, m)[0] },
		"nacks": func(ctx context.Context, c *Client, m *Message) error {
			_, err := c.Nack(ctx, m, NackParams{})
			return err
		},
		"releases": func(ctx context.Context, c *Client, m *Message) error { _, err := c.Release(ctx, m, 0); return err },
	}
	for name, end := range ends {
		synctest.Test(t, func(t *testing.T) {
			b, let := newBroker(), make(chan struct{})
			b.answer = func(*http.Request) *http.Response { <-let; return nil }
			c := b.client()
			defer c.Close()
			message := &Message{Queue: "q", ID: "a", Receipt: "r"}
			c.leases.remember([]*Message{message})
			ctx, leave := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- end(ctx, c, message) }()
			synctest.Wait()
			leave()
			if err := <-ended; !errors.Is(err, ErrInterrupted) || asError(err).Outcome != OutcomeUnknown {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := c.Held("a"); err != nil {
				t.Errorf("%s: nobody knows yet, and %v", name, err)
			}
			close(let)
			synctest.Wait()
			if _, err := c.Held("a"); !errors.Is(err, ErrReceiptUnknown) {
				t.Errorf("%s: it was carried out, and is held: %v", name, err)
			}
		})
	}
}

func TestAResultThatIsThereIsToldThoughTheContextHasEnded(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	end()
	for range 100 {
		one := newEntry(nil, "acks", true)
		one.resolve(json.RawMessage("1"))
		if got, err := new(lane).await(ctx, one); err != nil || string(got) != "1" {
			t.Fatalf("%s, %v", got, err)
		}
	}
}

func TestACallWhoseContextEndsLeavesTheOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heldRequests{let: make(chan struct{})}
		c := h.client()
		defer c.Close()
		enqueue := func(ctx context.Context, payload int, dedupID string) chan error {
			ended := make(chan error, 1)
			go func() {
				_, err := c.EnqueueContext(ctx, EnqueueParams{Queue: "q", Payload: payload, DedupID: dedupID})
				ended <- err
			}()
			synctest.Wait()
			return ended
		}
		sentOne, leaveSent := context.WithCancel(t.Context())
		waitingOne, leaveWaiting := context.WithCancel(t.Context())
		sent := enqueue(sentOne, 1, "")
		waiting := enqueue(waitingOne, 2, "")
		stays := enqueue(t.Context(), 3, "")
		leaveSent()
		leaveWaiting()
		err := <-sent
		if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) || !errors.Is(err, ErrInterrupted) {
			t.Errorf("the one that was sent: %v", err)
		}
		err = <-waiting
		if !errors.Is(err, ErrInterrupted) || !errors.Is(err, context.Canceled) || asError(err).Outcome != OutcomeNone {
			t.Errorf("the one that waited: %v", err)
		}
		close(h.let)
		if err := <-stays; err != nil {
			t.Errorf("the one that stays: %v", err)
		}
		if len(h.sent) != 2 || h.sent[1] != `{"payload":3}` {
			t.Errorf("sent %v", h.sent)
		}
	})
}
