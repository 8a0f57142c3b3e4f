package queues

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const truncatedMark = "\n... [truncated]"

// verdict is a handler's error that says what is to become of the message.
type verdict struct {
	is    HandledAs
	delay Seconds
	cause error
}

func (v *verdict) Error() string { return v.cause.Error() }

func (v *verdict) Unwrap() error { return v.cause }

// Retry is an error for a handler to return: deliver this message again after delay, in place of the queue's backoff
// (0: the backoff; None: at once). It counts as a failed attempt.
func Retry(cause error, delay Seconds) error {
	return &verdict{HandledRetried, delay, orSaid(cause, "retry")}
}

// Reject is an error for a handler to return: this message can never succeed, make it a dead letter at once.
func Reject(cause error) error { return &verdict{HandledRejected, 0, orSaid(cause, "rejected")} }

// Limited is an error for a handler to return: a limit elsewhere (a service that answers 429) keeps this message from
// being done now; deliver it again after delay. It does not count as a failed attempt, however often it happens.
func Limited(cause error, delay Seconds) error {
	return &verdict{HandledReleased, delay, orSaid(cause, "limited")}
}

func orSaid(cause error, text string) error {
	if cause == nil {
		return fmt.Errorf("the handler said: %s", text)
	}
	return cause
}

// BatchErrors is an error for a BatchHandler to return: what became of each message, in order. nil: it is done; also
// Retry, Reject and Limited.
type BatchErrors []error

func (b BatchErrors) Error() string {
	failed := 0
	for _, err := range b {
		if err != nil {
			failed++
		}
	}
	return fmt.Sprintf("%d of %d messages failed", failed, len(b))
}

// Unwrap gives the errors of the messages that failed.
func (b BatchErrors) Unwrap() []error {
	var failed []error
	for _, err := range b {
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// PanicError is what a handler's panic becomes: the delivery failed, and the program goes on.
type PanicError struct {
	// Value is what the handler panicked with.
	Value any
	// Stack is where.
	Stack []byte
}

func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v\n\n%s", p.Value, p.Stack) }

// truncated is the text, or its beginning and a mark, in at most so many bytes of UTF-8.
func truncated(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= LimitErrorBytesMax {
		return text
	}
	end := LimitErrorBytesMax - len(truncatedMark)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + truncatedMark
}
