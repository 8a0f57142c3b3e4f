package queues_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/hanzoai/go-sdk/queues"
)

var ctx = context.Background()

// check keeps the examples short; a program returns its errors.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleClient_EnqueueContext() {
	client := queues.New("")
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "welcome"})
	check(err)

	sent, err := client.EnqueueContext(ctx, queues.EnqueueParams{
		Queue:    "welcome",
		Payload:  map[string]any{"to": "grace@example.com"},
		Priority: 10,                                // 1 to 255, higher is sooner; default 1
		Delay:    queues.Duration(time.Second / 10), // or in seconds: 0.1
		DedupID:  "welcome-grace",                   // stored once, however often it is sent
		Metadata: map[string]any{"tenant": "acme"},
	})
	check(err)
	again, err := client.EnqueueContext(ctx, queues.EnqueueParams{
		Queue: "welcome", Payload: map[string]any{"to": "grace@example.com"}, DedupID: "welcome-grace",
	})
	check(err)
	fmt.Println(sent.Duplicate, again.Duplicate, again.ID == sent.ID)
	// Output: false true true
}

func ExampleClient_EnqueueBatch() {
	client := queues.New("")
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "thumbnails"})
	check(err)

	results, err := client.EnqueueBatch(ctx, queues.BatchParams{
		Queue: "thumbnails",
		Messages: []queues.EnqueueParams{
			{Payload: "a.png", DedupID: "a"},
			{Payload: "b.png", DedupID: "b", Priority: 5},
			{Payload: "c.png", DedupID: "a"}, // another payload under the same id
		},
	})
	check(err)
	for _, result := range results {
		fmt.Println(result.State, errors.Is(result.Err, queues.ErrDedupConflict))
	}
	// Output:
	// ready false
	// ready false
	//  true
}

func ExampleClient_ConsumeContext() {
	client := queues.New("")
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "emails", Config: queues.Config{MaxRetries: 3}})
	check(err)
	for _, to := range []string{"ada@example.com", "nobody", "busy@example.com"} {
		_, err := client.EnqueueContext(ctx, queues.EnqueueParams{Queue: "emails", Payload: map[string]string{"to": to}})
		check(err)
	}

	type email struct{ To string }
	running, stop := context.WithCancel(ctx)
	err = client.ConsumeContext(running, "emails", queues.ConsumerConfig{
		Concurrency: 10,
		Handler: func(msg *queues.Message) error {
			var mail email
			if err := msg.Decode(&mail); err != nil {
				return queues.Reject(err) // a dead letter at once
			}
			if !strings.Contains(mail.To, "@") {
				return queues.Reject(errors.New("no address"))
			}
			if strings.HasPrefix(mail.To, "busy") && msg.Deliveries == 1 {
				return queues.Limited(errors.New("429"), 0.2) // again in 0.2 s, and no attempt is counted
			}
			return nil // done; any other error: again, after the queue's backoff
		},
		OnError: func(err error, msg *queues.Message) {},
		OnHandled: func(handled queues.Handled) {
			fmt.Println(handled.Outcome, string(handled.Message.Payload))
			if handled.Message.Deliveries == 2 {
				stop() // no more is received, handlers may finish, and ConsumeContext returns
			}
		},
	})
	check(err)
	// Unordered output:
	// acked {"to":"ada@example.com"}
	// rejected {"to":"nobody"}
	// released {"to":"busy@example.com"}
	// acked {"to":"busy@example.com"}
}

func ExampleConsumerConfig_batches() {
	client := queues.New("")
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "rows"})
	check(err)
	for number := range 25 {
		_, err := client.EnqueueContext(ctx, queues.EnqueueParams{Queue: "rows", Payload: number})
		check(err)
	}

	rows, rejected := 0, 0
	running, stop := context.WithCancel(ctx)
	err = client.ConsumeContext(running, "rows", queues.ConsumerConfig{
		BatchSize: 10,
		BatchWait: 0.2, // up to 10, or what came within 0.2 s of the first
		BatchHandler: func(ctx context.Context, batch []*queues.Message) error {
			each := make(queues.BatchErrors, len(batch)) // nil: all are done; another error: all have failed
			for index, msg := range batch {
				if string(msg.Payload) == "13" {
					each[index] = queues.Reject(errors.New("unlucky"))
					rejected++
				} else {
					rows++
				}
			}
			if rows+rejected == 25 {
				stop()
			}
			return each
		},
		OnError: func(err error, msg *queues.Message) { fmt.Println(string(msg.Payload), "failed:", err) },
	})
	check(err)
	fmt.Println(rows, rejected)
	// Output:
	// 13 failed: unlucky
	// 24 1
}

func ExampleClient_Receive() {
	client := queues.New("")
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "by-hand"})
	check(err)
	_, err = client.EnqueueContext(ctx, queues.EnqueueParams{Queue: "by-hand", Payload: "a"})
	check(err)

	received, err := client.Receive(ctx, queues.ReceiveParams{
		Queue: "by-hand", MaxMessages: 10, WaitTime: 5, VisibilityTimeout: 60,
	})
	check(err)
	for _, msg := range received.Messages {
		_, err = client.Extend(ctx, msg, 120) // two minutes from now, should it take longer
		check(err)
		_, err = client.Ack(ctx, msg) // or Nack, or Release
		check(err)
		_, err = client.Ack(ctx, msg) // harmless
		fmt.Println(string(msg.Payload), err)
	}
	// Output: "a" <nil>
}

func ExampleMessage_OnAck() {
	client := queues.New("")
	for _, name := range []string{"invoices", "parcels"} {
		_, err := client.CreateContext(ctx, queues.CreateParams{Name: name})
		check(err)
	}
	order := queues.EnqueueParams{Queue: "invoices", Payload: map[string]int{"order": 17}, DedupID: "order-17"}
	_, err := client.EnqueueContext(ctx, order)
	check(err)

	err = client.ConsumeContext(ctx, "invoices", queues.ConsumerConfig{
		Handler: func(msg *queues.Message) error {
			msg.OnAck(queues.AckParams{ // all of it happens with the ack, or nothing
				Result:  map[string]string{"invoice": "2026-0001"},
				Enqueue: []queues.EnqueueParams{{Queue: "parcels", Payload: msg.Payload}},
			})
			return nil
		},
		OnHandled: func(queues.Handled) { client.Stop() },
	})
	check(err)

	again, err := client.EnqueueContext(ctx, order)
	check(err)
	parcels, err := client.Get(ctx, "parcels")
	check(err)
	fmt.Println(again.State, string(again.Result), parcels.Counts.Ready)
	// Output: done {"invoice":"2026-0001"} 1
}

func ExampleError() {
	client := queues.New("")
	_, err := client.EnqueueContext(ctx, queues.EnqueueParams{Queue: "no-such-queue", Payload: 1})
	if errors.Is(err, queues.ErrQueueNotFound) {
		fmt.Println("create it first")
	}
	var refused *queues.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, refused.Status, refused.Outcome)
	}
	// Output:
	// create it first
	// queue_not_found 404 none
}

func ExampleClient_Explain() {
	client := queues.New("")
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "reports"})
	check(err)
	first, err := client.EnqueueContext(ctx, queues.EnqueueParams{Queue: "reports", Payload: 1, OrderingKey: "acme"})
	check(err)
	second, err := client.EnqueueContext(ctx, queues.EnqueueParams{Queue: "reports", Payload: 2, OrderingKey: "acme"})
	check(err)

	explained, err := client.Explain(ctx, second.ID, queues.ExplainParams{})
	check(err)
	fmt.Println(explained.Deliverable, explained.Reasons[0].Code, explained.Reasons[0].Behind == first.ID)
	// Output: false ordering_key true
}

func ExampleClient_Redrive() {
	client := queues.New("")
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "payments"})
	check(err)
	_, err = client.EnqueueContext(ctx, queues.EnqueueParams{Queue: "payments", Payload: 1})
	check(err)
	received, err := client.Receive(ctx, queues.ReceiveParams{Queue: "payments"})
	check(err)
	_, err = client.Nack(ctx, received.Messages[0], queues.NackParams{Reject: true, Error: "no database"})
	check(err)

	sweep, err := client.Redrive(ctx, "payments", queues.RedriveParams{ // or of a dead-letter queue
		Filter:      &queues.Filter{Error: "database", NewerThan: 3600},
		SweepParams: queues.SweepParams{Rate: &queues.SweepRate{Requests: 100, Per: queues.PeriodSecond}},
	})
	check(err)
	ended, err := client.WaitForSweep(ctx, sweep.ID, nil)
	check(err)
	fmt.Println(ended.State, ended.Moved)
	// Output: done 1
}

func ExampleClient_CreateGroup() {
	client := queues.New("")
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "orders"})
	check(err)
	_, err = client.CreateGroup(ctx, "orders", "audit") // gets a copy of what is enqueued from now on
	check(err)
	_, err = client.EnqueueContext(ctx, queues.EnqueueParams{Queue: "orders", Payload: 12})
	check(err)

	for _, group := range []string{"default", "audit"} {
		received, err := client.Receive(ctx, queues.ReceiveParams{Queue: "orders", ConsumerGroup: group})
		check(err)
		_, err = client.Ack(ctx, received.Messages[0]) // gone when every group is done with it
		check(err)
	}
	audit, err := client.GetGroup(ctx, "orders", "audit")
	check(err)
	fmt.Println(audit.Lag)
	// Output: 0
}

func ExampleConfig() {
	client := queues.New("")
	queue, err := client.CreateContext(ctx, queues.CreateParams{Name: "exports", Config: queues.Config{
		MaxRetries:   queues.None, // 0: a field left at 0 is the server's default
		RateLimit:    &queues.RateLimit{Requests: 50, Per: queues.PeriodSecond},
		KeyRateLimit: &queues.RateLimit{Requests: 600, Per: queues.PeriodMinute},
		Fairness:     &queues.Fairness{Weights: map[string]int{"acme": 3}, MaxInFlight: 2},
	}})
	check(err)
	fmt.Println(queue.Config.MaxRetries, queue.Config.RateLimit.Burst, queue.Config.VisibilityTimeout)

	queue, err = client.Update(ctx, "exports", queues.Config{RateLimit: queues.NoLimit, VisibilityTimeout: 120})
	check(err)
	fmt.Println(queue.Config.RateLimit, queue.Config.VisibilityTimeout, queue.Config.Fairness.MaxInFlight)
	// Output:
	// 0 50 30
	// <nil> 120 2
}

func ExampleContextWithTraceparent() {
	client := queues.New("")
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "traced"})
	check(err)
	traced := queues.ContextWithTraceparent(ctx, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	_, err = client.EnqueueContext(traced, queues.EnqueueParams{Queue: "traced", Payload: json.RawMessage(`{"a": 1}`)})
	check(err)

	received, err := client.Receive(ctx, queues.ReceiveParams{Queue: "traced"})
	check(err)
	fmt.Println(received.Messages[0].Traceparent) // in a handler, also queues.TraceparentOf(msg.Context())
	// Output: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
}

func ExampleWithOnCall() {
	counts := map[string]int{} // or those of your metrics library
	client := queues.New("", queues.WithOnCall(func(called queues.Called) {
		code := string(queues.CodeOf(called.Err)) // "" for an answer
		counts[called.Operation+code]++
		counts["retries"] += called.Attempts - 1 // also called.Took, called.Messages, called.Queue
	}))
	_, err := client.CreateContext(ctx, queues.CreateParams{Name: "measured"})
	check(err)
	_, err = client.EnqueueContext(ctx, queues.EnqueueParams{Queue: "measured", Payload: 1})
	check(err)
	_, err = client.Get(ctx, "no-such-queue")
	fmt.Println(counts["createQueue"], counts["enqueue"], counts["getQueuequeue_not_found"], counts["retries"], err != nil)

	err = client.ConsumeContext(ctx, "measured", queues.ConsumerConfig{
		Handler: func(msg *queues.Message) error { return nil },
		OnHandled: func(handled queues.Handled) {
			fmt.Println(handled.Outcome, handled.Running, handled.Concurrency) // also handled.Took
			client.Stop()
		},
	})
	check(err)
	// Output:
	// 1 1 1 0 true
	// acked 0 10
}
