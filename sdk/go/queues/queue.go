package queues

import "time"

// Queue is a queue as the server holds it.
type Queue struct {
	Name      string    `json:"name"`
	Config    Settings  `json:"config"`
	CreatedAt time.Time `json:"createdAt"`
	Counts    Counts    `json:"counts"`
	Paused    Paused    `json:"paused"`
	// OldestReadyAge: for how long the message has been ready that has been for the longest. 0 when none is.
	OldestReadyAge Seconds `json:"oldestReadyAge"`
}

// Counts says how many messages are in each state, at the moment of the answer.
type Counts struct {
	Ready int `json:"ready"`
	// Blocked: behind an earlier message of their ordering key.
	Blocked int `json:"blocked"`
	Delayed int `json:"delayed"`
	Leased  int `json:"leased"`
	Dead    int `json:"dead"`
}

// Paused says what of a queue is paused.
type Paused struct {
	Enqueue bool `json:"enqueue"`
	Receive bool `json:"receive"`
}

// Settings is a queue's config as the server holds it: every setting, and 0, "" or nil where there is none. Config
// says what they mean.
type Settings struct {
	MaxRetries        int        `json:"maxRetries"`        // default 3
	VisibilityTimeout Seconds    `json:"visibilityTimeout"` // default 30
	DeadLetterQueue   string     `json:"deadLetterQueue"`   // default none: dead messages stay, in state "dead"
	RateLimit         *RateLimit `json:"rateLimit"`         // default none, as of the other limits
	ConsumerRateLimit *RateLimit `json:"consumerRateLimit"`
	KeyRateLimit      *RateLimit `json:"keyRateLimit"`
	IngressLimit      *RateLimit `json:"ingressLimit"`
	Fairness          Fairness   `json:"fairness"`
	MaxMessages       int        `json:"maxMessages"` // default no bound
	MaxInFlight       int        `json:"maxInFlight"` // default no bound
	Scheduling        Scheduling `json:"scheduling"`  // default fair, 60 s
	Backoff           Backoff    `json:"backoff"`     // default 1 s, doubled, at most 600 s, jitter 0.2
	DedupWindow       Seconds    `json:"dedupWindow"` // default 300
	Delay             Seconds    `json:"delay"`       // default 0
	TTL               Seconds    `json:"ttl"`         // default none: for ever
	DeadRetention     Seconds    `json:"deadRetention"`
	ResultRetention   Seconds    `json:"resultRetention"` // default 86400
	SessionTimeout    Seconds    `json:"sessionTimeout"`  // default 30
}
