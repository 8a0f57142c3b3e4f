package queues

import "sync"

// batchLimit is how many entries one request may have: at most so many, until the server, whose MAX_BATCH_SIZE is
// smaller, refuses as many. All requests of a client share it: what one learnt, no other is refused for.
type batchLimit struct {
	guard   sync.Mutex
	entries int
}

func newBatchLimit(entries int) *batchLimit { return &batchLimit{entries: entries} }

func (l *batchLimit) max() int {
	l.guard.Lock()
	defer l.guard.Unlock()
	return l.entries
}

// refused: a request of so many entries was too large.
func (l *batchLimit) refused(count int) {
	l.guard.Lock()
	defer l.guard.Unlock()
	l.entries = max(1, min(l.entries, count/2))
}
