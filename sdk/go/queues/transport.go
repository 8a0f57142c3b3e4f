package queues

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	defaultTimeout Seconds = 30
	defaultRetries int     = 8
)

// transport makes requests as the rest of the package asks for them: JSON in, JSON or an error out, repeated where
// that is right. The one place that repeats requests. A request says whether it is safe: harmless to repeat even when
// an earlier try was carried out. For one that is not, a lost answer becomes ErrOutcomeUnknown, never a silent second
// try.
type transport struct {
	exchange exchange
	policy   retryPolicy
	timeout  Seconds
	sleep    func(ctx context.Context, wait time.Duration)
	life     context.Context // ends with the client
	onCall   func(Called)    // nil: nobody is told
}

// request is one call of the API. All its tries are the same bytes.
type request struct {
	method string
	target string
	body   []byte
	safe   bool
	// wait: how long the server may take on purpose.
	wait Seconds
	// messages: how many it is about; of a receive, the answer tells.
	messages int
	// once: the caller has a policy of its own.
	once bool
}

// call makes a request, and decodes its answer into a T.
func call[T any](ctx context.Context, t *transport, r request) (T, error) {
	var value T
	body, err := t.call(ctx, r)
	if err == nil {
		err = decode(body, &value)
	}
	return value, err
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &Error{Detail: "the answer is not one of this API", Outcome: OutcomeUnknown, cause: err}
	}
	return nil
}

// call is the answer's JSON.
func (t *transport) call(ctx context.Context, r request) (json.RawMessage, error) {
	if path, _, _ := strings.Cut(r.target, "?"); strings.Contains(path, "//") || strings.HasSuffix(path, "/") {
		return nil, argumentError("a name or an id is empty: %s %s", r.method, path)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	began := time.Now()
	body, attempts, err := t.repeat(ctx, r)
	if t.onCall != nil {
		tell(t.onCall, told(r, attempts, time.Since(began), body, err))
	}
	return body, err
}

// repeat tries until there is an answer, or no further try. And how often it tried.
func (t *transport) repeat(ctx context.Context, r request) (json.RawMessage, int, error) {
	doubt, waited := false, Seconds(0)
	for failures := 1; ; failures++ {
		body, err := t.try(ctx, r)
		if err == nil {
			return body, failures, nil
		}
		delay, again := t.policy.nextDelay(failures, err, r.safe, waited)
		if doubt {
			err.Outcome = OutcomeUnknown // whatever the last try met, an earlier one may have been carried out
		}
		if !again || r.once {
			return nil, failures, t.last(err, r)
		}
		doubt = err.Outcome == OutcomeUnknown
		waited += delay
		t.sleep(ctx, delay.Duration())
	}
}

// try makes the request once.
func (t *transport) try(ctx context.Context, r request) (json.RawMessage, *Error) {
	if ctx.Err() != nil {
		return nil, t.ended(ctx, OutcomeNone)
	}
	got, err := t.exchange(ctx, r.method, r.target, r.body, (t.timeout + r.wait).Duration())
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, t.ended(ctx, OutcomeUnknown)
	case err != nil:
		return nil, asError(err)
	case got.status >= 300:
		return nil, problemOf(got, time.Now)
	case !json.Valid(got.body):
		text := "the answer is not JSON: is this the URL of a Hanzo Queues server?"
		return nil, &Error{Status: got.status, Detail: text, Outcome: OutcomeUnknown}
	}
	return got.body, nil
}

// ended says whose end it was: the client's, or the caller's context.
func (t *transport) ended(ctx context.Context, outcome Outcome) *Error {
	if t.life.Err() != nil {
		return closedError(outcome)
	}
	return interruptedError(ctx.Err(), outcome)
}

// last is the error a caller gets.
func (t *transport) last(err *Error, r request) error {
	if r.safe || err.Outcome == OutcomeNone {
		return err
	}
	return &Error{
		Code:    ErrOutcomeUnknown,
		Outcome: OutcomeUnknown,
		Detail: fmt.Sprintf("whether the request was carried out is unknown: look before you repeat it. (An enqueue "+
			"with a DedupID is safe to repeat, and the client repeats it by itself.) Cause: %v", err),
		cause: err,
	}
}

// backOff waits before a repetition of what was refused, and tells how long; or that there is none, as for a request.
func (t *transport) backOff(ctx context.Context, failures int, err *Error, waited Seconds) (Seconds, bool) {
	delay, again := t.policy.nextDelay(failures, err, true, waited)
	if again {
		t.sleep(ctx, delay.Duration())
	}
	return delay, again
}

// pause waits, or until the context ends.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
