package queues

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// standIn answers requests with what a vector says, in order.
type standIn struct {
	guard    sync.Mutex
	answers  []fields // responses
	requests []sentRequest
	told     []Called      // by the client
	held     chan struct{} // the first answer waits for it, if there is one
}

type sentRequest struct {
	at     time.Time
	fields fields
	whole  string // everything, to compare attempts
}

func (s *standIn) RoundTrip(request *http.Request) (*http.Response, error) {
	sent, err := read(request)
	if err != nil {
		return nil, err
	}
	s.guard.Lock()
	number := len(s.requests)
	s.requests = append(s.requests, sent)
	s.guard.Unlock()
	if number >= len(s.answers) {
		return nil, fmt.Errorf("an unexpected request: %s", sent.whole)
	}
	if number == 0 && s.held != nil {
		<-s.held
	}
	return respond(s.answers[number])
}

func read(request *http.Request) (sentRequest, error) {
	sent := fields{"method": request.Method, "path": request.URL.EscapedPath()}
	var body []byte
	if request.Body != nil {
		body, _ = io.ReadAll(request.Body)
		sent["body"] = parse(body)
	}
	query := fields{}
	for name, values := range request.URL.Query() {
		query[name] = values[0]
	}
	if len(query) > 0 {
		sent["query"] = query
	}
	headers := map[string]string{
		"Authorization": "Bearer test-key", "Accept": "application/json", "Content-Type": "",
	}
	if body != nil {
		headers["Content-Type"] = "application/json"
	}
	for name, expected := range headers {
		if got := request.Header.Get(name); got != expected {
			return sentRequest{}, fmt.Errorf("%s is %q, not %q", name, got, expected)
		}
	}
	if agent := request.Header.Get("User-Agent"); !strings.HasPrefix(agent, "hanzo-queues-") {
		return sentRequest{}, fmt.Errorf("User-Agent is %q", agent)
	}
	whole := fmt.Sprintf("%s %s %s", request.Method, request.URL, body)
	return sentRequest{time.Now(), sent, whole}, nil
}

func respond(answer fields) (*http.Response, error) {
	switch answer["connection"] {
	case "refused":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	case "broken":
		return nil, io.ErrUnexpectedEOF
	case "timeout":
		return nil, context.DeadlineExceeded
	}
	body, isText := answer["text"].(string)
	if !isText {
		text, err := json.Marshal(answer["body"])
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	response := &http.Response{
		StatusCode: int(number(answer["status"])), Header: http.Header{}, Body: io.NopCloser(bytes.NewBufferString(body)),
	}
	headers, _ := answer["headers"].(fields)
	for name, value := range headers {
		response.Header.Set(name, fmt.Sprint(value))
	}
	return response, nil
}

// client is one whose requests the stand-in answers.
func (s *standIn) client(retriesMax int) *Client {
	c := New("test-key", WithURL("http://server.test"), WithRetries(retriesMax),
		WithHTTPClient(&http.Client{Transport: s}), WithOnCall(s.hear))
	c.transport.policy.chance = func() float64 { return 1 }
	return c
}

func (s *standIn) hear(called Called) {
	s.guard.Lock()
	defer s.guard.Unlock()
	s.told = append(s.told, called)
}

// expectTold holds what the hook was told against what a vector says of it, if it does.
func (s *standIn) expectTold(t *testing.T, expected any, names fields) {
	t.Helper()
	s.guard.Lock()
	defer s.guard.Unlock()
	found := make([]any, len(s.told))
	for index, called := range s.told {
		if called.Took < 0 || called.Took > time.Minute {
			t.Errorf("%s took %v", called.Operation, called.Took)
		}
		found[index] = fields{
			"operation": called.Operation, "queue": plain(called.Queue), "messages": plain(called.Messages),
			"attempts": plain(called.Attempts),
		}
		if called.Err != nil {
			found[index].(fields)["error"] = plain(raised(called.Err))
		}
	}
	s.told = nil
	if expected == nil {
		return
	}
	if different := differs(resolve(expected, names), found, false); different != "" {
		t.Errorf("told%s", different)
	}
}

func asList(value any) []fields {
	list, _ := value.([]any)
	all := make([]fields, len(list))
	for index, one := range list {
		all[index] = one.(fields)
	}
	return all
}

// expectRequests holds what was sent against the exchanges of a vector.
func (s *standIn) expectRequests(t *testing.T, exchanges []fields, names fields) {
	t.Helper()
	if len(s.requests) != len(exchanges) {
		t.Errorf("%d requests, expected %d", len(s.requests), len(exchanges))
		return
	}
	for index, exchange := range exchanges {
		if found := differs(resolve(exchange["request"], names), s.requests[index].fields, true); found != "" {
			t.Errorf("request %d%s", index+1, found)
		}
	}
}

func runWire(t *testing.T, v vector) string {
	synctest.Test(t, func(t *testing.T) {
		names := fields{}
		for name, value := range v.values {
			names[name] = value
		}
		carrier := &standIn{}
		c := carrier.client(0)
		defer c.Close()
		for _, step := range asList(v.fields["steps"]) {
			exchanges := asList(step["exchanges"])
			carrier.answers, carrier.requests = nil, nil
			for _, exchange := range exchanges {
				carrier.answers = append(carrier.answers, resolve(exchange["response"], names).(fields))
			}
			args, _ := resolve(step["args"], names).(fields)
			result, err := run(t.Context(), c, step["op"].(string), args)
			expect(t, step, names, result, err)
			carrier.expectRequests(t, exchanges, names)
			carrier.expectTold(t, step["told"], names)
			if as, isSaved := step["as"].(string); isSaved {
				names[as] = result
			}
		}
	})
	return ""
}

func runRetry(t *testing.T, v vector) string {
	synctest.Test(t, func(t *testing.T) {
		retriesMax := 8
		if settings, has := v.fields["settings"].(fields); has {
			retriesMax = int(number(settings["retriesMax"]))
		}
		carrier := &standIn{}
		for _, response := range v.fields["responses"].([]any) {
			carrier.answers = append(carrier.answers, resolve(response, v.values).(fields))
		}
		c := carrier.client(retriesMax)
		defer c.Close()
		drawn, _ := v.fields["jitter"].([]any)
		c.transport.policy.chance = func() float64 {
			if len(drawn) == 0 {
				return 1
			}
			next := number(drawn[0])
			drawn = drawn[1:]
			return next
		}
		args, _ := resolve(v.fields["args"], v.values).(fields)
		result, err := run(t.Context(), c, v.fields["op"].(string), args)
		expect(t, v.fields, v.values, result, err)
		carrier.expectTold(t, v.fields["told"], v.values)
		expectAttempts(t, carrier, v.fields["delays"].([]any))
	})
	return ""
}

func expectAttempts(t *testing.T, carrier *standIn, delays []any) {
	t.Helper()
	if len(carrier.requests) != len(carrier.answers) || len(delays) != len(carrier.answers)-1 {
		t.Fatalf("%d attempts, expected %d", len(carrier.requests), len(carrier.answers))
	}
	for index, delay := range delays {
		before, after := carrier.requests[index], carrier.requests[index+1]
		waited, expected := after.at.Sub(before.at).Seconds(), number(delay)
		if waited < expected-1e-6 || waited > expected+1e-6 {
			t.Errorf("waited %g s before attempt %d, expected %g", waited, index+2, expected)
		}
		if before.whole != after.whole {
			t.Errorf("attempt %d is another request:\n%s\n%s", index+2, before.whole, after.whole)
		}
	}
}

type ended struct {
	result any
	err    error
}

func runSharing(t *testing.T, v vector) string {
	synctest.Test(t, func(t *testing.T) {
		carrier := &standIn{held: make(chan struct{})}
		exchanges := asList(v.fields["exchanges"])
		for _, exchange := range exchanges {
			carrier.answers = append(carrier.answers, resolve(exchange["response"], v.values).(fields))
		}
		c := carrier.client(8)
		defer c.Close()
		steps := append([]fields{v.fields["first"].(fields)}, asList(v.fields["then"])...)
		ends := make([]chan ended, len(steps))
		for index, step := range steps {
			ends[index] = make(chan ended, 1)
			args, _ := resolve(step["args"], v.values).(fields)
			go func() {
				result, err := run(t.Context(), c, step["op"].(string), args)
				ends[index] <- ended{result, err}
			}()
			synctest.Wait() // it waits now
		}
		close(carrier.held)
		for index, outcome := range asList(v.fields["outcomes"]) {
			end := <-ends[index]
			outcome["op"] = fmt.Sprintf("call %d, %v,", index+1, steps[index]["op"])
			expect(t, outcome, v.values, end.result, end.err)
		}
		carrier.expectRequests(t, exchanges, v.values)
		carrier.expectTold(t, v.fields["told"], v.values)
	})
	return ""
}
