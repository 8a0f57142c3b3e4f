package queues

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// leaveTimeout: how long a stop waits for the answer to its leaving. Without one, the session ends by time.
const leaveTimeout = 2 * time.Second

// newConsumerID is a name that no other consumer has, and that tells people where it runs.
func newConsumerID() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s-%d-%s", host[:min(len(host), 128)], os.Getpid(), randomHex(4))
}

// membership is one consumer's place in its group. The server knows a member by its polls. While all of its handlers
// are busy it does not poll, so it sends heartbeats: else its session would end, and with it the leases of those very
// handlers. Must not know what is polled for.
type membership struct {
	client     *Client
	queue      string
	group      string
	consumerID string
	reports    *reports

	guard  sync.Mutex
	polls  int
	seenAt time.Time // zero: never
}

// polling: a poll is open, and the server sees us until it is closed.
func (m *membership) polling() (closed func()) {
	m.seen(1)
	return func() { m.seen(-1) }
}

func (m *membership) seen(polls int) {
	m.guard.Lock()
	defer m.guard.Unlock()
	m.polls += polls
	m.seenAt = time.Now()
}

// lastSeen is when the server saw us last, and whether it ever did.
func (m *membership) lastSeen() (time.Time, bool) {
	m.guard.Lock()
	defer m.guard.Unlock()
	ever := !m.seenAt.IsZero()
	if m.polls > 0 || !ever {
		return time.Now(), ever
	}
	return m.seenAt, ever
}

// keep sends a heartbeat whenever the server has not seen us for an interval, until the context ends.
func (m *membership) keep(ctx context.Context, interval time.Duration) {
	for ctx.Err() == nil {
		seenAt, _ := m.lastSeen()
		if wait := time.Until(seenAt.Add(interval)); wait > 0 {
			pause(ctx, wait)
			continue
		}
		_, err := m.client.Heartbeat(ctx, m.queue, m.group, m.consumerID)
		if err != nil && ctx.Err() == nil {
			m.reports.failed(err, nil)
		}
		m.seen(0)
	}
}

// leave makes room at once: the keys that stick to this member go to others, and what it still holds is given back.
func (m *membership) leave() {
	if _, ever := m.lastSeen(); !ever {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	_, _ = m.client.LeaveGroup(ctx, m.queue, m.group, m.consumerID)
}
