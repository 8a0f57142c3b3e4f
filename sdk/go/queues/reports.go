package queues

import (
	"context"
	"log/slog"
)

// reports is what a consumer tells the program it is part of: to its hooks, or to the log. A hook that panics stops
// nothing.
type reports struct {
	queue     string
	logger    *slog.Logger
	onError   func(error, *Message)
	onHandled func(Handled)
}

func newReports(queue string, config ConsumerConfig) *reports {
	logger := config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	return &reports{queue: queue, logger: logger, onError: config.OnError, onHandled: config.OnHandled}
}

// failed: a message failed, or (nil) something of the consumer itself.
func (r *reports) failed(err error, message *Message) {
	switch {
	case r.onError != nil:
		r.hook(func() { r.onError(err, message) })
	case message == nil:
		r.logger.Warn("a consumer is held up", slog.String("queue", r.queue), slog.Any("error", err))
	default:
		r.logger.Error("a message failed",
			slog.String("queue", r.queue), slog.String("message", message.ID), slog.Any("error", err))
	}
}

func (r *reports) handled(event Handled) {
	if r.onHandled != nil {
		r.hook(func() { r.onHandled(event) })
	}
}

func (r *reports) hook(call func()) {
	defer func() {
		if value := recover(); value != nil {
			r.logger.LogAttrs(context.Background(), slog.LevelError, "a hook of a consumer panicked",
				slog.String("queue", r.queue), slog.Any("panic", value))
		}
	}()
	call()
}
