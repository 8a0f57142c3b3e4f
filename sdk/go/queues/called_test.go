package queues

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryOperationIsKnown(t *testing.T) {
	for line, operation := range operations {
		method, path, _ := strings.Cut(line, " ")
		queue := ""
		if strings.HasPrefix(path, "queues/*") {
			queue = "a/b"
		}
		found, of := operationOf(method, "/v1/"+strings.ReplaceAll(path, "*", "a%2Fb")+"?limit=1")
		if found != operation || of != queue {
			t.Errorf("%s is %q of %q, expected %q of %q", line, found, of, operation, queue)
		}
	}
}

func TestACallThatIsInterruptedIsToldTooAndAHookThatPanicsStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		var events []Called
		c := b.client()
		c.transport.onCall = func(called Called) {
			events = append(events, called)
			panic("the hook")
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := c.Receive(ctx, ReceiveParams{Queue: "a/b", WaitTime: 20}); !errors.Is(err, ErrInterrupted) {
			t.Errorf("it ended with %v", err)
		}
		if _, err := c.Get(t.Context(), "q"); err != nil {
			t.Error(err)
		}
		if len(events) != 2 || events[1].Operation != "getQueue" || events[1].Err != nil {
			t.Fatalf("told %v", events)
		}
		first := events[0]
		if first.Queue != "a/b" || first.Took != 3*time.Second || !errors.Is(first.Err, context.DeadlineExceeded) {
			t.Errorf("told %+v", first)
		}
	})
}
