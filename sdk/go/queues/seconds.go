package queues

import (
	"math"
	"time"
)

// Seconds is a duration as the server counts it; fractions are allowed, to the millisecond.
type Seconds float64

// Duration is d in seconds: queues.Duration(5 * time.Minute).
func Duration(d time.Duration) Seconds { return Seconds(d.Seconds()) }

// Duration is s as a [time.Duration], which holds 292 years at most.
func (s Seconds) Duration() time.Duration {
	nanoseconds := float64(s) * float64(time.Second)
	if nanoseconds >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(nanoseconds)
}

const (
	// None says "none" where a number left at 0 would mean the default: no retries, no delay, no bound, for ever.
	None = -1 << 31
	// Lowest is the priority 0. A Priority left at 0 is the default, 1.
	Lowest = None
	// NoQueue in a Config says that there is no dead-letter queue.
	NoQueue = "-"
)

// NoLimit in a Config says that a rate limit is removed.
var NoLimit = &RateLimit{}
