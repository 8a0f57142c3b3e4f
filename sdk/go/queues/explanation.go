package queues

import (
	"encoding/json"
	"time"
)

// Explanation is all that keeps a message from being delivered to the next receive.
type Explanation struct {
	ID    string `json:"id"`
	Queue string `json:"queue"`
	// Group is the consumer group this is about.
	Group string `json:"group"`
	State State  `json:"state"`
	// Deliverable: nothing but messages ahead of it. A receive that takes enough gets it now.
	Deliverable bool     `json:"deliverable"`
	Reasons     []Reason `json:"reasons"`
}

// Reason is one thing that stands in a message's way. What a reason does not have is zero.
type Reason struct {
	Code ReasonCode `json:"code"`
	// Detail is a sentence for people.
	Detail string `json:"detail"`
	// Until: of "delayed" and "leased".
	Until time.Time `json:"until"`
	// RetryAfter: of a limit, until the next message may go.
	RetryAfter Seconds `json:"retryAfter"`
	// Behind: of "ordering_key", the id of the message that has to be done first.
	Behind string `json:"behind"`
	// Member: of "key_assigned", the consumer its ordering key sticks to, the only one that gets it.
	Member string `json:"member"`
	// Consumer: of "leased", who holds it, if that gave an id.
	Consumer string `json:"consumer"`
	// Reason: of "dead", why it died.
	Reason DeathReason `json:"reason"`
	// Ahead: of "behind", how many messages go first; 0 when they are too many to count.
	Ahead int `json:"ahead"`
	// DoneAt and ResultExpiresAt: of "done", when it was acked and until when its result is kept; zero when the group
	// left none that is kept.
	DoneAt          time.Time `json:"doneAt"`
	ResultExpiresAt time.Time `json:"resultExpiresAt"`
}

// UnmarshalJSON reads it as the server writes it: Ahead may be a text.
func (r *Reason) UnmarshalJSON(text []byte) error {
	type plain Reason
	read := struct {
		*plain
		Ahead json.RawMessage `json:"ahead"`
	}{plain: (*plain)(r)}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	if json.Unmarshal(read.Ahead, &r.Ahead) != nil {
		r.Ahead = 0
	}
	return nil
}
