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
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heldRequests{let: make(chan struct{})}
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
	silent := New("key", WithURL(listening.URL), WithTimeout(2), WithRetries(0))
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
