package queues

import (
	"context"
	"errors"
	"sync"
	"time"
)

// delivery is a message that was received, and the call of the handler that has it.
//
//	running --returns nil--> ack            running --returns Retry----> nack with its delay
//	        --returns err--> nack, the text         --returns Reject---> nack, reject
//	        --panics-------> nack, the stack        --returns Limited--> release with its delay, no attempt counted
//	        --lease lost---> nothing                --stopped----------> release, no attempt counted
type delivery struct {
	message  *Message
	handling *handling
	cancel   context.CancelFunc // ends the message's context

	guard   sync.Mutex
	endedBy endedBy
	timer   *time.Timer // extends the lease; nil once the handler has ended
}

type endedBy int

const (
	itself endedBy = iota
	lostLease
	stopped
)

// end notes why the handler is interrupted; the first reason stays.
func (d *delivery) end(by endedBy) {
	d.guard.Lock()
	defer d.guard.Unlock()
	if d.endedBy == itself {
		d.endedBy = by
	}
}

func (d *delivery) ended() endedBy {
	d.guard.Lock()
	defer d.guard.Unlock()
	return d.endedBy
}

// keep calls extend at each interval until release. The leases of one consumer that are due together are extended
// together, since calls share requests.
func (d *delivery) keep(interval time.Duration, extend func(*delivery)) {
	d.guard.Lock()
	defer d.guard.Unlock()
	d.timer = time.AfterFunc(interval, func() {
		d.guard.Lock()
		kept := d.timer != nil
		if kept {
			d.timer.Reset(interval)
		}
		d.guard.Unlock()
		if kept {
			extend(d)
		}
	})
}

// release: the lease is kept no more. Says whether it was until now.
func (d *delivery) release() bool {
	d.guard.Lock()
	defer d.guard.Unlock()
	if d.timer == nil {
		return false
	}
	d.timer.Stop()
	d.timer = nil
	return true
}

// handling is one call of the handler: its messages (one, or a batch), and the context it runs with.
type handling struct {
	deliveries []*delivery
	ctx        context.Context
	cancel     context.CancelFunc
}

func (h *handling) messages() []*Message {
	messages := make([]*Message, len(h.deliveries))
	for index, one := range h.deliveries {
		messages[index] = one.message
	}
	return messages
}

// cancelIfLost: a batch goes on while one of its messages is still ours.
func (h *handling) cancelIfLost() {
	for _, one := range h.deliveries {
		if one.ended() != lostLease {
			return
		}
	}
	h.cancel()
}

// stop interrupts the handler; what it did not settle is given back.
func (h *handling) stop() {
	for _, one := range h.deliveries {
		one.end(stopped)
	}
	h.cancel()
}

// gone: errors that say of a settlement or an extension that the lease is gone; with its queue, too.
var gone = []Code{ErrLeaseLost, ErrMessageNotFound, ErrQueueNotFound}

// settle tells the server how the handler ended for one message. Returns what became of it, and the error, if any.
func (d *delivery) settle(ctx context.Context, c *Client, raised error) (HandledAs, error) {
	switch {
	case d.ended() == lostLease:
		return HandledLeaseLost, raised
	case c.leases.isSettled(d.message.Receipt):
		return HandledSettled, raised
	}
	is, err := d.tell(ctx, c, raised)
	left := d.message.onAck
	switch {
	case err == nil:
		return is, raised
	case isAny(err, gone...):
		return HandledLeaseLost, err
	case raised != nil || left.isEmpty():
		return HandledUnsettled, err
	case !isAny(err, ErrBatchAborted, ErrArgumentInvalid, ErrRequestInvalid, ErrPayloadTooLarge):
		return HandledUnsettled, err
	}
	d.message.onAck = AckParams{}
	if len(left.Enqueue) > 0 { // what should follow was refused: the work is not done
		return d.settle(ctx, c, err)
	}
	is, failed := d.settle(ctx, c, nil) // a result that can't be kept undoes no work
	return is, errors.Join(failed, err)
}

func (d *delivery) tell(ctx context.Context, c *Client, raised error) (HandledAs, error) {
	message := d.message
	if raised == nil {
		_, err := c.Ack(ctx, message, message.onAck)
		return HandledAcked, err
	}
	var said *verdict
	switch {
	case errors.As(raised, &said) && said.is == HandledReleased:
		_, err := c.Release(ctx, message, said.delay)
		return HandledReleased, err
	case said != nil:
		_, err := c.Nack(ctx, message, NackParams{
			Delay: said.delay, Reject: said.is == HandledRejected, Error: truncated(raised.Error()),
		})
		return said.is, err
	case d.ended() == stopped:
		_, err := c.Release(ctx, message, 0)
		return HandledReleased, err
	}
	_, err := c.Nack(ctx, message, NackParams{Error: truncated(raised.Error())})
	return HandledRetried, err
}
