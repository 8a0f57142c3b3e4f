import { Queues } from '@hanzo/sdk';
const queues = new Queues({ apiKey: 'your-api-key' });
const queue = await queues.create({
  name: 'image-processing',
  config: {
    maxRetries: 5,
    visibilityTimeout: 300,
    deadLetterQueue: 'image-dlq',
    rateLimit: { requests: 50, per: 'second' },
  },
});
await queues.enqueue({
  queue: 'image-processing',
  payload: { imageUrl: 'https://...', operations: ['resize', 'compress'] },
  priority: 2,
  metadata: { userId: '123' },
});
await queues.enqueueBatch({
  queue: 'image-processing',
  messages: [{ payload: { imageUrl: '...' } }, { payload: { imageUrl: '...' } }],
});
queues.consume({
  queue: 'image-processing',
  concurrency: 20,
  handler: async (message) => {
    await processImage(message.payload);
  },
  onError: async (error, message) => {
    console.error('Failed:', error);
  },
});
