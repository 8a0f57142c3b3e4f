// Package queues is the Go client of Hanzo Queues, a durable work queue over REST.
//
//	client := queues.New("your-api-key")
//	msg, err := client.Enqueue(queues.EnqueueParams{Queue: "emails", Payload: map[string]any{"to": "ada@example.com"}})
//
// When Enqueue returns, the message is durable. Delivery is at least once: a message comes again when its consumer
// died or when an ack was lost. A dedup id makes an enqueue take effect once, and a receipt does that for an ack.
//
// Three rules hold everywhere:
//
//   - A field left at its zero value is not sent, and the default is the server's. Where 0 or null is what you
//     mean, say None (a number), NoQueue (a queue's name) or NoLimit (a rate limit).
//   - Durations are Seconds, as on the wire; Duration makes them of a [time.Duration].
//   - An error is an *Error. Ask for its code with [errors.Is]: errors.Is(err, queues.ErrQueueNotFound).
//
// A client repeats by itself what failed in a way that can pass and is safe to repeat. Calls made at the same time
// share requests. It may be used by many goroutines at once.
package queues
