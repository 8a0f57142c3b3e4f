package queues

import "encoding/json"

// Config is a queue's settings as you give them. What is left at its zero value is not sent: Create takes the
// server's default for it, Update leaves it as it is. None, NoQueue and NoLimit say that there is none. See Settings
// for the defaults.
type Config struct {
	// MaxRetries: deliveries that may follow a failed first one.
	MaxRetries int
	// VisibilityTimeout: the length of a lease when the receive names none.
	VisibilityTimeout Seconds
	// DeadLetterQueue: where a message goes that can't be delivered. It is created where there is none.
	DeadLetterQueue string
	// RateLimit limits dispatch, retries included.
	RateLimit *RateLimit
	// ConsumerRateLimit limits dispatch to each consumer.
	ConsumerRateLimit *RateLimit
	// KeyRateLimit limits dispatch of each fairness key.
	KeyRateLimit *RateLimit
	// IngressLimit limits acceptance: an enqueue beyond it ends with ErrRateLimited.
	IngressLimit *RateLimit
	// Fairness says how the fairness keys of one priority share the queue. A change of one of both leaves the other.
	Fairness *Fairness
	// MaxMessages: messages the queue holds at most. An enqueue beyond ends with ErrQueueFull.
	MaxMessages int
	// MaxInFlight: messages leased at the same time at most.
	MaxInFlight int
	Scheduling  *Scheduling
	Backoff     *Backoff
	// DedupWindow: how long a dedup id is remembered.
	DedupWindow Seconds
	// Delay of a message whose enqueue names none.
	Delay Seconds
	// TTL is the time to live of a message whose enqueue names none.
	TTL Seconds
	// DeadRetention: how long a message stays in state "dead", and a dead letter in this queue, since its death.
	DeadRetention Seconds
	// ResultRetention: how long the result of an ack is kept.
	ResultRetention Seconds
	// SessionTimeout: after so long without a sign of life a member of a consumer group is gone.
	SessionTimeout Seconds
}

// RateLimit: so many Requests per Per, with Burst at once after a pause (0: as many as Requests).
type RateLimit struct {
	Requests int    `json:"requests"`
	Per      Period `json:"per"`
	Burst    int    `json:"burst,omitempty"`
}

// Fairness says how the fairness keys of one priority share a queue.
type Fairness struct {
	// Weights are shares by key, beside 1 for every key that is not named.
	Weights map[string]int `json:"weights"`
	// MaxInFlight: messages of one key leased at the same time at most. None: no bound; 0 leaves it as it is, and is what
	// a queue without one says.
	MaxInFlight int `json:"maxInFlight"`
}

// Scheduling says how priorities are weighed.
type Scheduling struct {
	// Mode is SchedulingModeFair, where nothing starves, or SchedulingModeStrict, where a lower priority waits for every
	// higher one.
	Mode SchedulingMode `json:"mode"`
	// AgingSeconds is the waiting that equals one level of priority.
	AgingSeconds Seconds `json:"agingSeconds"`
}

// Backoff is the delay after a failed attempt: Initial * Multiplier^(attempts - 1), at most Max, less up to Jitter of
// it (a share, 0 to 1).
type Backoff struct {
	Initial    Seconds `json:"initial"`
	Multiplier float64 `json:"multiplier"`
	Max        Seconds `json:"max"`
	Jitter     float64 `json:"jitter"`
}

// wire is the config as the server reads it.
func (c Config) wire() (json.RawMessage, error) {
	var o object
	o.integer("maxRetries", c.MaxRetries)
	o.seconds("visibilityTimeout", c.VisibilityTimeout)
	if c.DeadLetterQueue == NoQueue {
		o.raw("deadLetterQueue", null)
	} else {
		o.string("deadLetterQueue", c.DeadLetterQueue)
	}
	o.limit("rateLimit", c.RateLimit)
	o.limit("consumerRateLimit", c.ConsumerRateLimit)
	o.limit("keyRateLimit", c.KeyRateLimit)
	o.limit("ingressLimit", c.IngressLimit)
	if c.Fairness != nil {
		o.nested("fairness", c.Fairness.wire)
	}
	o.number("maxMessages", float64(c.MaxMessages), "null")
	o.number("maxInFlight", float64(c.MaxInFlight), "null")
	if c.Scheduling != nil {
		o.nested("scheduling", c.Scheduling.wire)
	}
	if c.Backoff != nil {
		o.nested("backoff", c.Backoff.wire)
	}
	o.seconds("dedupWindow", c.DedupWindow)
	o.seconds("delay", c.Delay)
	o.number("ttl", float64(c.TTL), "null")
	o.number("deadRetention", float64(c.DeadRetention), "null")
	o.seconds("resultRetention", c.ResultRetention)
	o.seconds("sessionTimeout", c.SessionTimeout)
	return o.done()
}

var null = json.RawMessage("null")

func (o *object) limit(name string, limit *RateLimit) {
	switch {
	case limit == nil:
	case *limit == RateLimit{}:
		o.raw(name, null)
	default:
		o.value(name, limit)
	}
}

func (o *object) nested(name string, wire func() (json.RawMessage, error)) {
	value, err := wire()
	if err != nil {
		o.fail(err)
		return
	}
	o.raw(name, value)
}

func (f Fairness) wire() (json.RawMessage, error) {
	var o object
	if f.Weights != nil {
		o.value("weights", f.Weights)
	}
	o.number("maxInFlight", float64(f.MaxInFlight), "null")
	return o.done()
}

func (s Scheduling) wire() (json.RawMessage, error) {
	var o object
	o.string("mode", string(s.Mode))
	o.seconds("agingSeconds", s.AgingSeconds)
	return o.done()
}

func (b Backoff) wire() (json.RawMessage, error) {
	var o object
	o.seconds("initial", b.Initial)
	o.number("multiplier", b.Multiplier, "0")
	o.seconds("max", b.Max)
	o.number("jitter", b.Jitter, "0")
	return o.done()
}
