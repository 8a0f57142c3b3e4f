package queues

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// held is a client whose requests wait, in a bubble, until they are answered.
type heldRequests struct {
	guard sync.Mutex
	sent  []string
	go_   chan struct{}
}

func (h *heldRequests) RoundTrip(request *http.Request) (*http.Response, error) {
	text, _ := io.ReadAll(request.Body)
	h.guard.Lock()
	h.sent = append(h.sent, string(text))
	h.guard.Unlock()
	select {
	case <-h.go_:
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

func TestACallWhoseContextEndsLeavesTheOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heldRequests{go_: make(chan struct{})}
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
		close(h.go_)
		if err := <-stays; err != nil {
			t.Errorf("the one that stays: %v", err)
		}
		if len(h.sent) != 2 || h.sent[1] != `{"payload":3}` {
			t.Errorf("sent %v", h.sent)
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

func TestCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heldRequests{go_: make(chan struct{})}
		c := h.client()
		ended := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := c.Enqueue(EnqueueParams{Queue: "q", Payload: 1, DedupID: "1"})
				ended <- err
			}()
			synctest.Wait()
		}
		go func() {
			_, err := c.Pause(t.Context(), "q")
			ended <- err
		}()
		synctest.Wait()
		c.Close()
		for range 3 {
			if err := <-ended; !errors.Is(err, ErrClientClosed) {
				t.Error(err)
			}
		}
		if _, err := c.Get(t.Context(), "q"); !errors.Is(err, ErrClientClosed) {
			t.Error(err)
		}
	})
}

func TestCallsThatBeginTogetherShareARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heldRequests{go_: make(chan struct{})}
		c := h.client()
		defer c.Close()
		close(h.go_)
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

func TestAContextThatEndsDuringARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := &standIn{answers: []fields{{"connection": "refused"}, {"connection": "refused"}, {"connection": "refused"}}}
		c := away.client(8)
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		_, err := c.Get(ctx, "q")
		if !errors.Is(err, context.DeadlineExceeded) || asError(err).Outcome != OutcomeNone || len(away.requests) != 2 {
			t.Errorf("%v, after %d requests", err, len(away.requests))
		}
	})
}

func TestAClosedPortAndASilentServer(t *testing.T) {
	listening := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		<-request.Context().Done()
	}))
	silent := New("key", WithURL(listening.URL), WithTimeout(0.05), WithRetries(0))
	_, err := silent.Get(t.Context(), "q")
	if !errors.Is(err, ErrServerUnreachable) || asError(err).Outcome != OutcomeUnknown {
		t.Errorf("a silent server: %v", err)
	}
	listening.Close()
	_, err = New("key", WithURL(listening.URL), WithRetries(0)).Get(t.Context(), "q")
	if !errors.Is(err, ErrServerUnreachable) || asError(err).Outcome != OutcomeNone || !asError(err).Retryable {
		t.Errorf("a closed port: %v", err)
	}
}

func TestWhereTheKeyComesFrom(t *testing.T) {
	home := t.TempDir()
	generated := filepath.Join(home, ".local", "share", "hanzo-queues")
	if err := os.MkdirAll(generated, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(generated, apiKeyFile), []byte("generated\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		url, key string
		env      map[string]string
		base     string
		found    string
	}{
		{"", "given", nil, "http://localhost:8080", "given"},
		{"", "", map[string]string{"HANZO_API_KEY": "env", "HANZO_URL": "https://q.example/base/"}, "https://q.example/base", "env"},
		{"", "", nil, "http://localhost:8080", "generated"},
		{"http://127.0.0.1:9000", "", nil, "http://127.0.0.1:9000", "generated"},
		{"http://[::1]:9000", "", nil, "http://[::1]:9000", "generated"},
		{"http://q.example", "", nil, "", ""},
		{"", "", map[string]string{"HANZO_DATA_DIR": home}, "", ""},
		{"", "a b", nil, "", ""},
		{"ftp://q.example", "given", nil, "", ""},
	}
	for _, test := range tests {
		getenv := func(name string) string {
			if name == "HOME" {
				return home
			}
			return test.env[name]
		}
		base, key, err := findAccess(test.url, test.key, getenv)
		if base != test.base || key != test.found || (err == nil) == (test.found == "") {
			t.Errorf("%+v: %q, %q, %v", test, base, key, err)
		}
	}
}

func TestAClientWithoutAKeySaysSoAtItsFirstCall(t *testing.T) {
	t.Setenv("HANZO_API_KEY", "")
	_, err := New("", WithURL("http://q.example")).Get(t.Context(), "q")
	if !errors.Is(err, ErrArgumentInvalid) || !strings.Contains(err.Error(), "HANZO_API_KEY") {
		t.Error(err)
	}
}

func TestErrorsSayWhatTheyAre(t *testing.T) {
	err := error(&Error{
		Code: ErrRequestInvalid, Status: 400, Detail: "no", Faults: []Fault{{"/priority", "too large"}}, RequestID: "r-1",
	})
	if err.Error() != "request_invalid: no (/priority: too large) [request r-1]" {
		t.Error(err)
	}
	var code Code
	if !errors.As(err, &code) || code != ErrRequestInvalid || CodeOf(err) != ErrRequestInvalid {
		t.Errorf("its code is %q", code)
	}
	if errors.Is(err, ErrLeaseLost) || CodeOf(io.EOF) != "" {
		t.Error("it is another error too")
	}
}

func TestWhatJSONCantHoldIsRefused(t *testing.T) {
	c := New("key")
	for _, payload := range []any{[]byte("bytes"), make(chan int), func() {}} {
		if _, err := c.Enqueue(EnqueueParams{Queue: "q", Payload: payload}); !errors.Is(err, ErrArgumentInvalid) {
			t.Errorf("%T: %v", payload, err)
		}
	}
	one := EnqueueParams{Queue: "other", Payload: 1}
	batch := BatchParams{Queue: "q", Messages: []EnqueueParams{one}}
	if _, err := c.EnqueueBatch(t.Context(), batch); !errors.Is(err, ErrArgumentInvalid) {
		t.Error(err)
	}
	raw, err := EnqueueParams{Payload: json.RawMessage(`{"a":1e400,"<":"&"}`)}.wire("", false)
	if err != nil || string(raw) != `{"payload":{"a":1e400,"<":"&"}}` {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestAnErrorsTextIsCutBetweenCharacters(t *testing.T) {
	for _, text := range []string{strings.Repeat("ü", 8192), strings.Repeat("a", 8193), strings.Repeat("a🦀", 4000)} {
		cut := truncated(text)
		if len(cut) > LimitErrorBytesMax || len(cut) < LimitErrorBytesMax-4 || !strings.HasSuffix(cut, truncatedMark) ||
			strings.ToValidUTF8(cut, "!") != cut {
			t.Errorf("%d bytes, ending in %q", len(cut), cut[len(cut)-20:])
		}
	}
	if truncated("\xff"+strings.Repeat("a", 100)) != "\uFFFD"+strings.Repeat("a", 100) {
		t.Error("what is no UTF-8 is sent")
	}
}

func TestLeasesAreForgottenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := newLeases(2)
		for _, id := range []string{"a", "b", "a", "c"} {
			kept.remember([]*Message{{ID: id, Receipt: "r-" + id, Queue: "q"}})
		}
		for id, known := range map[string]bool{"a": true, "b": false, "c": true} {
			if _, err := kept.find(id); (err == nil) != known {
				t.Errorf("%s: %v", id, err)
			}
		}
		kept.forget("a", "r-older")
		kept.forget("c", "r-c")
		if _, err := kept.find("a"); err != nil {
			t.Error("a later lease is forgotten with an earlier one")
		}
		if _, err := kept.find("c"); !errors.Is(err, ErrReceiptUnknown) {
			t.Error(err)
		}
		time.Sleep(rememberedFor)
		kept.remember(nil)
		if len(kept.byID) != 0 || kept.oldest.Len() != 0 {
			t.Errorf("it still knows %v", kept.byID)
		}
	})
}

func TestDurations(t *testing.T) {
	if Duration(90*time.Second) != 90 || Seconds(1.5).Duration() != 1500*time.Millisecond {
		t.Error("a minute and a half")
	}
	if Seconds(1e12).Duration() <= 0 {
		t.Error("a long time overflows")
	}
}

func TestALongPollsWaitCountsNotAsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		carrier := &http.Client{Transport: newBroker()}
		c := New("test-key", WithURL("http://server.test"), WithHTTPClient(carrier), WithTimeout(2), WithRetries(0))
		defer c.Close()
		received, err := c.Receive(t.Context(), ReceiveParams{Queue: "q", WaitTime: 20})
		if err != nil || len(received.Messages) != 0 {
			t.Error(received, err)
		}
	})
}
