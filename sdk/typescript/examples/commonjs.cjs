const { Queues } = require('@hanzo/sdk');

const queues = new Queues();
queues
  .list({ prefix: 'emails' })
  .then((found) => console.log(found.map(({ name, counts }) => `${name}: ${counts.ready} ready`)))
  .then(() => queues.close());
