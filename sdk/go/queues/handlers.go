package queues

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// settleTimeout: how long a stop waits for interrupted handlers and the last releases.
const settleTimeout = 5 * time.Second

// handlers calls the handler of one consumer with what was received, keeps the leases, and tells the server how it
// ended. The invariant: a message's lease is kept from hold until its handler ended, and its call counts in unsettled
// until the server was told. Must not know how messages are received.
type handlers struct {
	client            *Client
	config            ConsumerConfig
	visibilityTimeout Seconds
	reports           *reports
	policy            retryPolicy
	base              context.Context // of the handlers' contexts: values, no end
	interval          time.Duration
	freed             chan struct{} // has an element when a further call may start
	unsettled         sync.WaitGroup

	guard   sync.Mutex
	limit   int
	running map[*handling]struct{}
	keys    map[string][]*handling // ordering keys at work here -> calls that wait for them
	took    time.Duration          // by calls that ended since the last look
	done    int                    // messages of these
	busy    bool                   // all handlers were at once, since the last look
}

func newHandlers(ctx context.Context, c *consumer, visibilityTimeout Seconds) *handlers {
	return &handlers{
		client: c.client, config: c.config, visibilityTimeout: visibilityTimeout, reports: c.reports,
		policy: newRetryPolicy(0), base: context.WithoutCancel(ctx), interval: visibilityTimeout.Duration() / 3,
		freed: make(chan struct{}, 1), limit: c.config.Concurrency,
		running: map[*handling]struct{}{}, keys: map[string][]*handling{},
	}
}

// free: calls that can start at once.
func (h *handlers) free() int {
	h.guard.Lock()
	defer h.guard.Unlock()
	return h.limit - len(h.running)
}

// room waits until a further call can start, or the context ends.
func (h *handlers) room(ctx context.Context) {
	for h.free() <= 0 {
		select {
		case <-h.freed:
		case <-ctx.Done():
			return
		}
	}
}

func (h *handlers) setLimit(limit int) {
	h.guard.Lock()
	h.limit = limit
	h.guard.Unlock()
	h.wake()
}

func (h *handlers) wake() {
	select {
	case h.freed <- struct{}{}:
	default:
	}
}

// hold: the messages were received, and their leases are kept from now on.
func (h *handlers) hold(messages []*Message) []*delivery {
	held := make([]*delivery, len(messages))
	for index, message := range messages {
		held[index] = &delivery{message: message}
		h.client.leases.watch(message.Receipt)
		held[index].keep(h.interval, h.extend)
	}
	return held
}

// start calls the handler with them: once for all of a batch, else once for each.
func (h *handlers) start(deliveries []*delivery) {
	if h.config.BatchHandler == nil {
		for _, one := range deliveries {
			h.begin([]*delivery{one})
		}
	} else if len(deliveries) > 0 {
		h.begin(deliveries)
	}
}

func (h *handlers) begin(deliveries []*delivery) {
	ctx, cancel := context.WithCancel(h.base)
	call := &handling{deliveries: deliveries, ctx: ctx, cancel: cancel}
	h.guard.Lock()
	for _, one := range deliveries {
		one.handling = call
		one.message.ctx, one.cancel = context.WithCancel(ContextWithTraceparent(ctx, one.message.Traceparent))
	}
	h.running[call] = struct{}{}
	h.busy = h.busy || len(h.running) >= h.limit
	h.unsettled.Add(1)
	waits := h.awaitsKey(call)
	h.guard.Unlock()
	for _, one := range deliveries {
		if one.ended() == lostLease && !h.config.RunOnLeaseLost {
			h.interrupt(one)
		}
	}
	if !waits {
		go h.process(call)
	}
}

// awaitsKey: an ordering key is at work one message at a time. The server sees to it; but when a lease was lost, its
// handler may still run here while the next delivery arrives.
func (h *handlers) awaitsKey(call *handling) bool {
	key := call.deliveries[0].message.OrderingKey
	if key == "" || h.config.BatchHandler != nil {
		return false
	}
	waiting, busy := h.keys[key]
	if busy {
		h.keys[key] = append(waiting, call)
	} else {
		h.keys[key] = nil
	}
	return busy
}

// next is the call that waited for the ordering key of the one that ended, or nil.
func (h *handlers) next(call *handling) *handling {
	key := call.deliveries[0].message.OrderingKey
	if key == "" || h.config.BatchHandler != nil {
		return nil
	}
	waiting := h.keys[key]
	if len(waiting) == 0 {
		delete(h.keys, key)
		return nil
	}
	h.keys[key] = waiting[1:]
	return waiting[0]
}

// process calls the handler, and settles its messages whatever it does: a panic, or the end of its goroutine, is an
// error like another.
func (h *handlers) process(call *handling) {
	began := time.Now()
	err := errors.New("the handler ended its goroutine")
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{value, debug.Stack()}
		}
		h.settleAll(call, err, time.Since(began))
	}()
	switch {
	case call.ctx.Err() != nil: // it was interrupted before it began
		err = call.ctx.Err()
	case h.config.BatchHandler != nil:
		err = h.config.BatchHandler(call.ctx, call.messages())
	default:
		err = h.config.Handler(call.deliveries[0].message)
	}
}

func (h *handlers) settleAll(call *handling, err error, took time.Duration) {
	defer h.unsettled.Done()
	defer call.cancel()
	outcomes := outcomesOf(err, len(call.deliveries))
	h.finished(call, took)
	var ends sync.WaitGroup // at the same time, so that they share a request
	for index, one := range call.deliveries[1:] {
		ends.Add(1)
		go func() {
			defer ends.Done()
			h.end(one, outcomes[index+1], took)
		}()
	}
	h.end(call.deliveries[0], outcomes[0], took)
	ends.Wait()
}

// finished: the handler returned. From here on nothing interrupts what it did.
func (h *handlers) finished(call *handling, took time.Duration) {
	for _, one := range call.deliveries {
		one.release()
	}
	h.guard.Lock()
	delete(h.running, call)
	h.took += took
	h.done += len(call.deliveries)
	next := h.next(call)
	h.guard.Unlock()
	h.wake()
	if next != nil {
		go h.process(next)
	}
}

// outcomesOf is what a handler that returned says of each of its messages.
func outcomesOf(err error, messages int) []error {
	outcomes := make([]error, messages)
	var each BatchErrors
	if errors.As(err, &each) && len(each) == messages {
		copy(outcomes, each)
		return outcomes
	}
	if each != nil {
		err = fmt.Errorf("the handler returned %d BatchErrors for %d messages: %w", len(each), messages, err)
	}
	for index := range outcomes {
		outcomes[index] = err
	}
	return outcomes
}

func (h *handlers) end(one *delivery, raised error, took time.Duration) {
	is, err := h.settle(one, raised)
	h.client.leases.unwatch(one.message.Receipt)
	one.cancel()
	if err != nil && is != HandledReleased {
		h.reports.failed(err, one.message)
	}
	h.guard.Lock()
	running, limit := len(h.running), h.limit
	h.guard.Unlock()
	h.reports.handled(Handled{
		Message: one.message, Outcome: is, Took: took, Running: running, Concurrency: limit, Err: err,
	})
}

// settle goes on while the server is away and the lease, extended at a third, must still last: else work that is done
// would be done again.
func (h *handlers) settle(one *delivery, raised error) (HandledAs, error) {
	ctx := context.WithoutCancel(one.message.ctx)
	until := time.Now().Add(2 * h.interval)
	for failures := 1; ; failures++ {
		is, err := one.settle(ctx, h.client, raised)
		if is != HandledUnsettled || !isTransient(asError(err)) {
			return is, err
		}
		wait := h.policy.backoff(failures).Duration()
		if time.Now().Add(wait).After(until) {
			return is, err
		}
		pause(h.client.life, wait)
	}
}

func (h *handlers) extend(one *delivery) {
	_, err := h.client.Extend(h.base, one.message, h.visibilityTimeout)
	switch {
	case err == nil:
	case !isAny(err, gone...):
		h.reports.failed(err, one.message)
	case one.release() && !h.client.leases.isSettled(one.message.Receipt):
		one.end(lostLease)
		if !h.config.RunOnLeaseLost {
			h.interrupt(one)
		}
	}
}

// interrupt ends the contexts of a message whose lease is lost, if the handler has it already.
func (h *handlers) interrupt(one *delivery) {
	h.guard.Lock()
	defer h.guard.Unlock()
	if one.handling != nil {
		one.cancel()
		one.handling.cancelIfLost()
	}
}

// finish: handlers may finish within grace, unless there is hurry; the rest are interrupted and their messages given
// back. Says whether all have ended.
func (h *handlers) finish(hurry <-chan struct{}, grace time.Duration) bool {
	all := make(chan struct{})
	go func() {
		h.unsettled.Wait()
		close(all)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-all:
		return true
	case <-timer.C:
	case <-hurry:
	}
	h.guard.Lock()
	for call := range h.running {
		call.stop()
	}
	h.guard.Unlock()
	timer.Reset(settleTimeout)
	select {
	case <-all:
		return true
	case <-timer.C:
		return false
	}
}

// close: handlers that run on keep their leases no more.
func (h *handlers) close() {
	h.guard.Lock()
	defer h.guard.Unlock()
	for call := range h.running {
		for _, one := range call.deliveries {
			one.release()
		}
	}
}

// look says how long the calls took that ended since the last look, how many messages they had, how many are in hand
// now, and whether all handlers were busy at a time.
func (h *handlers) look() (took time.Duration, ended, inHand int, busy bool) {
	h.guard.Lock()
	defer h.guard.Unlock()
	took, ended, busy = h.took, h.done, h.busy
	h.took, h.done, h.busy = 0, 0, len(h.running) >= h.limit
	for call := range h.running {
		inHand += len(call.deliveries)
	}
	return took, ended, inHand, busy
}
