package queues_test

import (
	"encoding/json"
	"fmt"
	"log"
	"syscall"

	"github.com/hanzoai/go-sdk/queues"
)

// processOrder is what the program does with an order. This one ends the program, as Ctrl-C does.
func processOrder(payload json.RawMessage) error {
	fmt.Printf("processing %s\n", payload)
	return syscall.Kill(syscall.Getpid(), syscall.SIGINT)
}

func Example() {
	client := queues.New("your-api-key")
	queue, err := client.Create(queues.CreateParams{Name: "order-processing",
		Config: queues.Config{MaxRetries: 3, VisibilityTimeout: 60, DeadLetterQueue: "order-dlq"}})
	if err != nil {
		log.Fatal(err)
	}
	msg, err := client.Enqueue(queues.EnqueueParams{Queue: "order-processing",
		Payload: map[string]interface{}{"orderId": "123"}, Priority: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(queue.Name, queue.Config.DeadLetterQueue, msg.State)

	client.Consume("order-processing", queues.ConsumerConfig{Concurrency: 10,
		Handler: func(msg *queues.Message) error { return processOrder(msg.Payload) }})
	// Output:
	// order-processing order-dlq ready
	// processing {"orderId":"123"}
}
