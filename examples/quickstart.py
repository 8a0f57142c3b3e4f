from hanzo import Queues

queues = Queues(api_key="your-api-key")
queue = queues.create(
    name="email-notifications",
    config={"max_retries": 3, "visibility_timeout": 30, "dead_letter_queue": "email-dlq",
            "rate_limit": {"requests": 100, "per": "second"}})
message = queues.enqueue(queue="email-notifications", payload={"to": "user@example.com", "template": "welcome"},
                         priority=1, delay=60, dedup_id="welcome-user-123")

@queues.consumer("email-notifications", concurrency=10)
async def process_email(message):
    await send_email(message.payload)      # acknowledged on return, retried on exception

messages = queues.receive(queue="email-notifications", max_messages=10)
for msg in messages:
    try:
        process(msg)
        queues.ack(msg.id)
    except Exception:
        queues.nack(msg.id)
