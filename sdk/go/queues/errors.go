package queues

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Code names an error. The codes of the API are those of docs/reference/errors.md; they are never renamed, while
// texts may change. A Code is an error itself, so that errors.Is(err, queues.ErrLeaseLost) asks for it.
type Code string

func (c Code) Error() string { return string(c) }

// Codes of errors that need no answer of a server.
const (
	// ErrServerUnreachable: no answer came. There was no connection (Outcome OutcomeNone), or it broke or timed
	// out after sending (OutcomeUnknown).
	ErrServerUnreachable Code = "server_unreachable"
	// ErrOutcomeUnknown: a request that is not safe to repeat may have been carried out; the error it wraps says
	// what went wrong. An enqueue with a DedupID never ends like this: the client repeats it, and at most one
	// message is stored.
	ErrOutcomeUnknown Code = "outcome_unknown"
	// ErrReceiptUnknown: a message was named by its id, and this client holds no lease of it.
	ErrReceiptUnknown Code = "receipt_unknown"
	// ErrClientClosed: the client was closed before or while the call ran.
	ErrClientClosed Code = "client_closed"
	// ErrInterrupted: the call's context ended first. The error wraps the context's.
	ErrInterrupted Code = "interrupted"
	// ErrArgumentInvalid: what was given can't be sent, so nothing was.
	ErrArgumentInvalid Code = "argument_invalid"
)

// Outcome says what became of a request that failed.
type Outcome string

const (
	// OutcomeNone: nothing happened.
	OutcomeNone Outcome = "none"
	// OutcomeUnknown: it may have been carried out.
	OutcomeUnknown Outcome = "unknown"
)

// Error is why a call failed. Get it with errors.As, or ask for its code with errors.Is.
type Error struct {
	// Code is one of the Err constants, "" when something between client and server answered, or a code that only
	// a newer server knows.
	Code Code
	// Status is the HTTP status; 0 when there was no answer, and for an entry of a batch whose code is new.
	Status int
	// Detail says what is wrong, for people.
	Detail string
	// Retryable: the same request can succeed later.
	Retryable bool
	Outcome   Outcome
	// RetryAfter is how long the server asks to wait; 0 when it doesn't.
	RetryAfter Seconds
	// Faults says what is wrong in the request, place by place.
	Faults []Fault
	// RequestID names this request in the server's log.
	RequestID string
	// Results is what became of each entry of an atomic batch that was refused, or of each message to enqueue with
	// an ack: of ErrBatchAborted. Of any other error of EnqueueBatch, what became of the messages whose requests were
	// answered before.
	Results []EntryResult
	// Body is the whole answer.
	Body json.RawMessage

	cause error
}

// Fault is one thing that is wrong in a request: where, as a JSON pointer or ?parameter, and what.
type Fault struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

func (e *Error) Error() string {
	var text strings.Builder
	switch {
	case e.Code != "":
		fmt.Fprintf(&text, "%s: %s", e.Code, e.Detail)
	case e.Status != 0:
		fmt.Fprintf(&text, "%d: %s", e.Status, e.Detail)
	default:
		text.WriteString(e.Detail)
	}
	var faults []string
	for _, fault := range e.Faults {
		told := strings.TrimPrefix(fault.Pointer+": "+fault.Detail, ": ")
		if !strings.Contains(e.Detail, told) {
			faults = append(faults, told)
		}
	}
	if len(faults) > 0 {
		fmt.Fprintf(&text, " (%s)", strings.Join(faults, "; "))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&text, " [request %s]", e.RequestID)
	}
	return text.String()
}

// Unwrap gives the code and, if there is one, the error behind this one.
func (e *Error) Unwrap() []error {
	var inside []error
	if e.Code != "" {
		inside = append(inside, e.Code)
	}
	if e.cause != nil {
		inside = append(inside, e.cause)
	}
	return inside
}

// CodeOf is the code of an error of this package, or "".
func CodeOf(err error) Code {
	var known *Error
	if errors.As(err, &known) {
		return known.Code
	}
	return ""
}

// isTransient: whether the same request can succeed later.
func isTransient(err *Error) bool {
	if err.Retryable {
		return true
	}
	switch err.Status {
	case 408, 429, 502, 503, 504:
		return true
	}
	return false
}

// asError is err as this package's; every error inside is one already.
func asError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Detail: err.Error(), Outcome: OutcomeUnknown, cause: err}
}

func argumentError(format string, values ...any) *Error {
	wrapped := fmt.Errorf(format, values...)
	return &Error{Code: ErrArgumentInvalid, Detail: wrapped.Error(), Outcome: OutcomeNone, cause: errors.Unwrap(wrapped)}
}

func closedError(outcome Outcome) *Error {
	return &Error{Code: ErrClientClosed, Detail: "the client is closed", Outcome: outcome}
}

func interruptedError(cause error, outcome Outcome) *Error {
	return &Error{Code: ErrInterrupted, Detail: cause.Error(), Outcome: outcome, cause: cause}
}
