curl -X POST http://localhost:8080/v1/queues -H "Authorization: Bearer $HANZO_API_KEY" -H "Content-Type: application/json" \
  -d '{"name": "my-queue", "config": {"maxRetries": 3, "visibilityTimeout": 30, "deadLetterQueue": "my-dlq"}}'
curl -X POST http://localhost:8080/v1/queues/my-queue/messages -H "Authorization: Bearer $HANZO_API_KEY" \
  -H "Content-Type: application/json" -d '{"payload": {"key": "value"}, "priority": 1, "delay": 0}'
curl "http://localhost:8080/v1/queues/my-queue/messages?maxMessages=10" -H "Authorization: Bearer $HANZO_API_KEY"
