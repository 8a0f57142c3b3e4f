package queues

import (
	"container/list"
	"fmt"
	"sync"
	"time"
)

const (
	leasesMax = 100_000
	// rememberedFor is the longest visibility timeout: no lease of ours is forgotten while it runs, unless there are
	// too many.
	rememberedFor = 12 * time.Hour
)

// leases holds the receipts of messages this client received, so that a message can be settled by its id. Bounded:
// beyond the limit the oldest is forgotten. A lease is remembered for a while after its end, so that a late ack gets
// the server's word (lease_lost) and not ours.
type leases struct {
	guard   sync.Mutex
	max     int
	byID    map[string]*list.Element
	oldest  *list.List // of lease, the oldest first
	watched map[string]struct{}
}

type lease struct {
	queue, id, receipt string
	forgetAt           time.Time
}

func newLeases(most int) *leases {
	return &leases{
		max: most, byID: map[string]*list.Element{}, oldest: list.New(), watched: map[string]struct{}{},
	}
}

// remember keeps the receipts, and forgets what is long over.
func (l *leases) remember(messages []*Message) {
	now := time.Now()
	l.guard.Lock()
	defer l.guard.Unlock()
	for _, message := range messages {
		l.drop(l.byID[message.ID])
		held := lease{message.Queue, message.ID, message.Receipt, now.Add(rememberedFor)}
		l.byID[message.ID] = l.oldest.PushBack(held)
	}
	for front := l.oldest.Front(); front != nil; front = l.oldest.Front() {
		if l.oldest.Len() <= l.max && front.Value.(lease).forgetAt.After(now) {
			return
		}
		l.drop(front)
	}
}

func (l *leases) drop(element *list.Element) {
	if element != nil {
		delete(l.byID, l.oldest.Remove(element).(lease).id)
	}
}

func (l *leases) find(id string) (lease, error) {
	l.guard.Lock()
	defer l.guard.Unlock()
	if element := l.byID[id]; element != nil {
		return element.Value.(lease), nil
	}
	return lease{}, &Error{
		Code: ErrReceiptUnknown, Outcome: OutcomeNone,
		Detail: fmt.Sprintf("this client holds no lease of message %q: it was never received here, or is settled "+
			"already. A message received elsewhere is settled with its Queue, ID and Receipt", id),
	}
}

// watch notes whether this very lease gets settled, whatever becomes of later ones; until unwatch.
func (l *leases) watch(receipt string) {
	l.guard.Lock()
	defer l.guard.Unlock()
	l.watched[receipt] = struct{}{}
}

// isSettled: whether this lease, which is watched, was settled through this client.
func (l *leases) isSettled(receipt string) bool {
	l.guard.Lock()
	defer l.guard.Unlock()
	_, watched := l.watched[receipt]
	return !watched
}

func (l *leases) unwatch(receipt string) {
	l.guard.Lock()
	defer l.guard.Unlock()
	delete(l.watched, receipt)
}

// forget: the lease was settled. A later lease of the same message stays.
func (l *leases) forget(id, receipt string) {
	l.guard.Lock()
	defer l.guard.Unlock()
	delete(l.watched, receipt)
	if element := l.byID[id]; element != nil && element.Value.(lease).receipt == receipt {
		l.drop(element)
	}
}
