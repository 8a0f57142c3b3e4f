package queues

import "context"

type traceKey struct{}

// ContextWithTraceparent returns a context whose enqueues carry this W3C trace context ("00-...") to the handler. With
// a tracing library, make the client with WithTraceparent instead.
func ContextWithTraceparent(ctx context.Context, traceparent string) context.Context {
	return context.WithValue(ctx, traceKey{}, traceparent)
}

// TraceparentOf is the W3C trace context of a context: in a handler, of the enqueue of its message. Else "".
func TraceparentOf(ctx context.Context) string {
	traceparent, _ := ctx.Value(traceKey{}).(string)
	return traceparent
}
