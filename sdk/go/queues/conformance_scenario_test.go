package queues

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// runScenario makes the steps of a vector against the live server.
func runScenario(t *testing.T, v vector) string {
	url, key := os.Getenv("CONFORMANCE_URL"), os.Getenv("CONFORMANCE_KEY")
	if url == "" || key == "" {
		return "CONFORMANCE_URL and CONFORMANCE_KEY are not set"
	}
	c := New(key, WithURL(url))
	defer c.Close()
	names := fields{}
	for name, value := range v.values {
		names[name] = value
	}
	queues, _ := v.fields["queues"].([]any)
	for _, name := range queues {
		names[name.(string)] = fmt.Sprintf("go-%s-%s", name, randomHex(6))
	}
	for _, step := range asList(v.fields["steps"]) {
		result, err := runStep(t, c, step, names)
		expect(t, step, names, result, err)
		if t.Failed() {
			return ""
		}
		if as, isSaved := step["as"].(string); isSaved {
			names[as] = settledValue(result)
		}
	}
	return ""
}

// settledValue is a result that later steps name, without what is neither empty nor null.
func settledValue(result any) any {
	switch result := result.(type) {
	case zero:
		return result.value
	case fields:
		plainly := fields{}
		for name, value := range result {
			plainly[name] = settledValue(value)
		}
		return plainly
	case []any:
		plainly := make([]any, len(result))
		for index, value := range result {
			plainly[index] = settledValue(value)
		}
		return plainly
	}
	return result
}

func runStep(t *testing.T, c *Client, step, names fields) (any, error) {
	op := step["op"].(string)
	switch {
	case op == "kill":
		return fields{}, kill()
	case op == "consume":
		return consumeScript(t, c, resolve(step["args"], names).(fields))
	case step["times"] != nil:
		return runTimes(t, c, step, names)
	}
	args, _ := resolve(step["args"], names).(fields)
	return run(t.Context(), c, op, args)
}

// runTimes makes a call so many times at once; with killAfter the server is killed when so many have ended.
func runTimes(t *testing.T, c *Client, step, names fields) (any, error) {
	all := make([]any, int(number(step["times"])))
	failed := make([]error, len(all))
	var calls sync.WaitGroup
	var ended atomic.Int64
	killAfter := int64(given(step).int("killAfter"))
	for index := range all {
		calls.Add(1)
		go func() {
			defer calls.Done()
			args, _ := resolve(step["args"], indexed(names, index)).(fields)
			all[index], failed[index] = run(t.Context(), c, step["op"].(string), args)
			if ended.Add(1) == killAfter {
				if err := kill(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	calls.Wait()
	return fields{"all": all}, errors.Join(failed...)
}

// kill kills the server and waits until it is ready again.
func kill() error {
	response, err := http.Post(os.Getenv("CONFORMANCE_CONTROL"), "application/json", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the control answers %s", response.Status)
	}
	return nil
}

// script is a consumer whose handler does what a vector says.
type script struct {
	t          *testing.T
	client     *Client
	lines      []fields
	until      int
	untilAcked int
	killAt     int
	stop       context.CancelFunc
	guard      sync.Mutex
	handled    []any
	acked      int
	killed     sync.WaitGroup
}

func consumeScript(t *testing.T, c *Client, args fields) (any, error) {
	g := given(args)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	s := &script{
		t: t, client: c, lines: asList(args["script"]), until: g.int("until"), untilAcked: g.int("untilAcked"),
		killAt: g.int("killAfter"), stop: stop,
	}
	config := ConsumerConfig{
		Concurrency: g.int("concurrency"), VisibilityTimeout: g.seconds("visibilityTimeout"),
		ConsumerGroup: g.text("consumerGroup"), OnHandled: s.note,
		OnError: func(err error, _ *Message) { t.Logf("told: %v", err) },
	}
	if size := g.int("batchSize"); size > 0 {
		config.BatchSize, config.BatchWait, config.BatchHandler = size, g.seconds("batchWait"), s.handleBatch
	} else {
		config.Handler = s.handle
	}
	err := c.ConsumeContext(ctx, g.text("queue"), config)
	s.killed.Wait()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("only %d were handled within a minute", len(s.handled))
	}
	return fields{"handled": s.handled}, err
}

func (s *script) note(event Handled) {
	s.guard.Lock()
	defer s.guard.Unlock()
	s.handled = append(s.handled, fields{
		"payload": parse(event.Message.Payload), "outcome": string(event.Outcome),
		"deliveries": plain(event.Message.Deliveries), "traceparent": TraceparentOf(event.Message.Context()),
		"running": plain(event.Running), "concurrency": plain(event.Concurrency),
	})
	if event.Outcome == HandledAcked {
		s.acked++
	}
	if len(s.handled) == s.until || s.untilAcked > 0 && s.acked == s.untilAcked {
		s.stop()
	}
	if len(s.handled) == s.killAt {
		s.killed.Add(1)
		go func() {
			defer s.killed.Done()
			if err := kill(); err != nil {
				s.t.Error(err)
			}
		}()
	}
}

func (s *script) handleBatch(_ context.Context, batch []*Message) error {
	each := make(BatchErrors, len(batch))
	for index, message := range batch {
		each[index] = s.handle(message)
	}
	return each
}

func (s *script) handle(message *Message) error {
	for _, line := range s.lines {
		g := given(line)
		if differs(line["when"], parse(message.Payload), true) != "" {
			continue
		}
		if delivery := g.int("delivery"); delivery != 0 && delivery != message.Deliveries {
			continue
		}
		return s.act(message, g)
	}
	return nil
}

func (s *script) act(message *Message, g given) error {
	reason := errors.New(first(g.text("reason"), "as the vector says"))
	switch g.text("do") {
	case "return":
		if g["after"] != nil {
			time.Sleep(g.seconds("after").Duration()) // the work takes so long
		}
		if value, has := g["value"]; has {
			text, _ := json.Marshal(value)
			message.OnAck(AckParams{Result: json.RawMessage(text)})
		}
		return nil
	case "fail":
		return reason
	case "retry":
		return Retry(reason, g.seconds("delay"))
	case "reject":
		return Reject(reason)
	case "limited":
		return Limited(reason, g.seconds("delay"))
	case "lose":
		if _, err := s.client.Purge(message.Context(), message.Queue); err != nil {
			return err
		}
		pause(message.Context(), 30*time.Second)
		return message.Context().Err()
	case "ack":
		_, err := s.client.Ack(message.Context(), message, g.ackParams())
		return err
	}
	return fmt.Errorf("this driver knows no %q", g.text("do"))
}
