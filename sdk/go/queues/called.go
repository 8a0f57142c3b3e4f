package queues

import (
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Called is a request to the server that has ended, with all its tries. See WithOnCall.
type Called struct {
	// Operation is its operationId in openapi.yaml, such as "enqueue", "enqueueBatch", "receive", "settle".
	Operation string
	// Queue is the queue it was sent to; "": it names none, or a message alone.
	Queue string
	// Messages: how many it enqueued, received or settled, those of all calls that shared it; 0 for other operations.
	Messages int
	// Attempts: how often it was tried.
	Attempts int
	// Took is the time from the first try to the end, waits between tries included; of a receive its long poll, too.
	Took time.Duration
	// Err is what it ended with; nil: an answer.
	Err error
}

// WithOnCall is told of each request when it has ended, for metrics. It is called by the goroutine that made the
// request, and should return soon.
func WithOnCall(onCall func(Called)) Option { return func(o *options) { o.onCall = onCall } }

// told is what is told of a request that has ended.
func told(r request, attempts int, took time.Duration, answer json.RawMessage, err error) Called {
	operation, queue := operationOf(r.method, r.target)
	called := Called{
		Operation: operation, Queue: queue, Messages: r.messages, Attempts: attempts, Took: took, Err: err,
	}
	if operation == "receive" && err == nil {
		var received struct{ Messages []json.RawMessage }
		if json.Unmarshal(answer, &received) == nil {
			called.Messages = len(received.Messages)
		}
	}
	return called
}

// operationOf is the operation of a request, and the queue its path names.
func operationOf(method, target string) (operation, queue string) {
	path, _, _ := strings.Cut(target, "?")
	parts := strings.Split(path, "/")[2:]
	if parts[0] == "queues" && len(parts) > 1 {
		queue, _ = url.PathUnescape(parts[1])
	}
	named, fixed := make([]string, len(parts)), make([]string, len(parts))
	for index, part := range parts {
		named[index], fixed[index] = part, part
		if index%2 == 1 {
			named[index] = "*"
		}
		if index == 1 {
			fixed[index] = "*"
		}
	}
	if known := operations[method+" "+strings.Join(fixed, "/")]; known != "" {
		return known, queue
	}
	return operations[method+" "+strings.Join(named, "/")], queue
}

// tell calls the hook. One that panics stops nothing.
func tell(onCall func(Called), called Called) {
	defer func() {
		if value := recover(); value != nil {
			slog.Error("OnCall panicked", slog.Any("panic", value))
		}
	}()
	onCall(called)
}
