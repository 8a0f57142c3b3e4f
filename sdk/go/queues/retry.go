package queues

import (
	"errors"
	"math"
	"math/rand/v2"
)

// waitMax bounds all waits of one call together. Whoever is asked to wait for longer is told so, and knows better.
const waitMax Seconds = 10

// retryPolicy says when to try again, and how long to wait first. Full jitter: the wait is drawn from 0 to the
// exponential bound, so that clients which failed together do not come back together (Brooker, "Exponential Backoff
// And Jitter", AWS 2015). What the server asks for is a lower bound. All waits of a call together are waitMax at most: the
// last one is cut short to that. Pure: no clock, no request.
type retryPolicy struct {
	retriesMax   int
	delayInitial Seconds
	delayMax     Seconds
	chance       func() float64 // 0 to 1
}

func newRetryPolicy(retriesMax int) retryPolicy {
	return retryPolicy{retriesMax: retriesMax, delayInitial: 0.1, delayMax: 5, chance: rand.Float64}
}

// nextDelay is the wait before the next try, and whether there is one. failures: tries that failed, at least 1. safe:
// repeating is harmless even when the failed try was carried out. waited: what this call has waited so far.
func (p retryPolicy) nextDelay(failures int, err *Error, safe bool, waited Seconds) (Seconds, bool) {
	switch {
	case failures > p.retriesMax || !isTransient(err):
		return 0, false
	case errors.Is(err, ErrMessageLeased):
		return 0, false // a lease lasts as long as its consumer works: whoever asked knows better than to sit it out
	case err.Outcome == OutcomeUnknown && !safe:
		return 0, false
	case waited >= waitMax || err.RetryAfter > waitMax-waited:
		return 0, false
	}
	return min(err.RetryAfter+p.backoff(failures), waitMax-waited), true
}

// backoff is the jittered wait after so many failures in a row, at least 1.
func (p retryPolicy) backoff(failures int) Seconds {
	bound := math.Min(float64(p.delayMax), float64(p.delayInitial)*math.Pow(2, float64(min(failures-1, 30))))
	return Seconds(bound * p.chance())
}
