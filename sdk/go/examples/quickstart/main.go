// Enqueues a message and handles it, until Ctrl-C.
package main

import (
	"fmt"
	"log"

	"github.com/hanzoai/go-sdk/queues"
)

type Email struct {
	To       string `json:"to"`
	Template string `json:"template"`
}

func main() {
	client := queues.New("") // the key: HANZO_API_KEY, or the one a server on this machine made

	if _, err := client.Create(queues.CreateParams{Name: "emails", Config: queues.Config{MaxRetries: 3}}); err != nil {
		log.Fatal(err)
	}
	sent, err := client.Enqueue(queues.EnqueueParams{Queue: "emails", Payload: Email{"ada@example.com", "welcome"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("enqueued", sent.ID) // it is on disk

	err = client.Consume("emails", queues.ConsumerConfig{
		Concurrency: 10,
		Handler: func(msg *queues.Message) error {
			var email Email
			if err := msg.Decode(&email); err != nil {
				return queues.Reject(err)
			}
			fmt.Printf("sending %s to %s\n", email.Template, email.To)
			return nil // acknowledged; an error would bring it back later
		},
	})
	if err != nil {
		log.Fatal(err)
	}
}
