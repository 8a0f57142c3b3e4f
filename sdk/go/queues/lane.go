package queues

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// Concurrent calls share requests. A lane collects the calls to one queue. The first call goes at once; calls that
// arrive while a request is in flight wait and go together in the next one. No timer, no linger: alone, a call waits
// for nothing; under load, hundreds share one request. Order is kept: a lane has one request in flight, so calls reach
// the server in the order they were made. Every caller gets its own result or its own error, and a caller whose
// context ends leaves the others alone. Must not know what an entry asks of the server (send does): only its size,
// whether it is safe to repeat, and which refusals of a request can be the fault of one entry.

// requestBytesMax: a shared request's bytes; beyond this sharing gains nothing. A larger entry goes alone.
const requestBytesMax = 1 << 20

// lanesKept: beyond so many, lanes with nothing in flight are dropped.
const lanesKept = 256

// entry is one call: what to send, where it belongs in the request (kind), and who waits for it. safe: harmless to
// repeat when an earlier try may have been carried out.
type entry struct {
	body    json.RawMessage
	kind    string
	safe    bool
	sent    bool        // of the lane, under its guard
	settled bool        // of the lane's goroutine
	gone    atomic.Bool // its caller has left
	result  chan result
	// carriedOut hears that it was, also when its caller has left.
	carriedOut func()
}

type result struct {
	body json.RawMessage
	err  *Error
}

func (r result) value() (json.RawMessage, error) {
	if r.err != nil {
		return nil, r.err
	}
	return r.body, nil
}

func newEntry(body json.RawMessage, kind string, safe bool) *entry {
	return &entry{body: body, kind: kind, safe: safe, result: make(chan result, 1)}
}

func (e *entry) resolve(body json.RawMessage) {
	if e.carriedOut != nil {
		e.carriedOut()
	}
	e.settle(result{body: body})
}

// refuse gives the caller a copy: it may change its error.
func (e *entry) refuse(err *Error) {
	own := *err
	e.settle(result{err: &own})
}

func (e *entry) settle(r result) {
	if !e.settled {
		e.settled = true
		e.result <- r
	}
}

// waits: somebody does, for this entry.
func (e *entry) waits() bool { return !e.settled && !e.gone.Load() }

// sendBatch settles every entry of its batch, or returns an error.
type sendBatch func(batch []*entry) error

type lane struct {
	send  sendBatch
	limit *batchLimit

	guard   sync.Mutex
	waiting []*entry
	sending bool
}

// submit adds entries to the next requests, in order, and does not wait.
func (l *lane) submit(entries []*entry) {
	l.guard.Lock()
	defer l.guard.Unlock()
	l.waiting = append(l.waiting, entries...)
	if !l.sending {
		l.sending = true
		go l.drain()
	}
}

// await is the entry's result, or the end of the context. Then the shared request goes on without this caller.
func (l *lane) await(ctx context.Context, e *entry) (json.RawMessage, error) {
	select {
	case got := <-e.result:
		return got.value()
	case <-ctx.Done():
	}
	select {
	case got := <-e.result: // that both were there is no reason to lose it
		return got.value()
	default:
	}
	e.gone.Store(true)
	l.guard.Lock()
	sent := e.sent
	l.guard.Unlock()
	switch {
	case !sent:
		return nil, interruptedError(ctx.Err(), OutcomeNone)
	case e.safe:
		return nil, interruptedError(ctx.Err(), OutcomeUnknown)
	}
	interrupted := interruptedError(ctx.Err(), OutcomeUnknown)
	interrupted.Code, interrupted.cause = ErrOutcomeUnknown, errors.Join(ErrInterrupted, ctx.Err())
	return nil, interrupted
}

func (l *lane) drain() {
	runtime.Gosched() // calls made at this very moment go along
	for batch := l.take(); len(batch) > 0; batch = l.take() {
		l.deliver(batch)
	}
}

// take is the next batch; when it is empty, the lane's goroutine has ended.
func (l *lane) take() []*entry {
	l.guard.Lock()
	defer l.guard.Unlock()
	var batch []*entry
	size, entriesMax := 0, l.limit.max()
	for len(l.waiting) > 0 && len(batch) < entriesMax {
		next := l.waiting[0]
		size += len(next.body) + 1
		if len(batch) > 0 && size > requestBytesMax {
			break
		}
		l.waiting = l.waiting[1:]
		if !next.gone.Load() {
			next.sent = true
			batch = append(batch, next)
		}
	}
	l.sending = len(batch) > 0
	return batch
}

func (l *lane) deliver(entries []*entry) {
	var batch []*entry
	for _, one := range entries {
		if one.waits() { // what is settled is not sent again
			batch = append(batch, one)
		}
	}
	if len(batch) == 0 {
		return
	}
	err := l.send(batch)
	if err == nil {
		return
	}
	refused := asError(err)
	switch {
	case errors.Is(refused, ErrOutcomeUnknown):
		l.repeatSafe(batch, refused)
	case len(batch) > 1 && l.splits(refused, len(batch)):
		l.deliver(batch[:len(batch)/2])
		l.deliver(batch[len(batch)/2:])
	default:
		for _, one := range batch {
			one.refuse(refused)
		}
	}
}

// repeatSafe: an unsafe entry made its whole request unsafe to repeat.
func (l *lane) repeatSafe(batch []*entry, err *Error) {
	var rest []*entry
	for _, one := range batch {
		if one.safe {
			rest = append(rest, one)
		} else {
			one.refuse(err)
		}
	}
	l.deliver(rest)
}

// splits: whether halves may pass where the whole was refused: then one bad entry fails alone.
func (l *lane) splits(err *Error, entries int) bool {
	switch err.Code {
	case ErrBatchTooLarge:
		l.limit.refused(entries)
		return true
	case ErrRequestTooLarge, ErrRequestInvalid, ErrJSONInvalid, ErrMessageIDInvalid, ErrReceiptInvalid, ErrPayloadTooLarge:
		return true // refusals of a whole request that one entry can cause
	}
	return false
}

func (l *lane) idle() bool {
	l.guard.Lock()
	defer l.guard.Unlock()
	return !l.sending
}

// coalescer holds the lanes, one a queue.
type coalescer struct {
	limit  *batchLimit
	sendTo func(queue string) sendBatch
	guard  sync.Mutex
	lanes  map[string]*lane
}

func newCoalescer(limit *batchLimit, sendTo func(queue string) sendBatch) *coalescer {
	return &coalescer{limit: limit, sendTo: sendTo, lanes: map[string]*lane{}}
}

// submit adds entries to the lane of a queue. It holds the guard, so that no lane is dropped meanwhile.
func (c *coalescer) submit(queue string, entries ...*entry) *lane {
	c.guard.Lock()
	defer c.guard.Unlock()
	to := c.lanes[queue]
	if to == nil {
		if len(c.lanes) >= lanesKept {
			for name, other := range c.lanes {
				if other.idle() {
					delete(c.lanes, name)
				}
			}
		}
		to = &lane{send: c.sendTo(queue), limit: c.limit}
		c.lanes[queue] = to
	}
	to.submit(entries)
	return to
}
