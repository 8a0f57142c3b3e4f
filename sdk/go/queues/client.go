package queues

import (
	"context"
	"net/http"
	"os"
	"sync"
)

// Client is a client of one Hanzo Queues server, for any number of goroutines. Its calls share connections, and those
// made at the same time share requests. It holds nothing that must be closed before the program ends.
//
// Methods take a context first. Create, Enqueue and Consume have a form without one, for short programs.
//
// Every method returns an *Error, or nil.
type Client struct {
	transport   *transport
	connection  *connection
	leases      *leases
	enqueues    *coalescer
	settles     *coalescer
	batchLimit  *batchLimit
	traceparent func(context.Context) string
	life        context.Context
	end         context.CancelFunc
	fault       error // why no call can be made

	guard       sync.Mutex
	consumers   map[*consumer]context.CancelFunc // that run
	hasConsumed bool
	stopIsKept  bool
}

// Option changes a client that New makes.
type Option func(*options)

type options struct {
	url             string
	timeout         Seconds
	retriesMax      int
	batchEntriesMax int
	client          *http.Client
	traceparent     func(context.Context) string
	onCall          func(Called)
}

// WithURL names the server; default $HANZO_URL, else http://localhost:8080.
func WithURL(url string) Option { return func(o *options) { o.url = url } }

// WithTimeout says how long a request may take, a long poll's wait not counted; default 30 s.
func WithTimeout(timeout Seconds) Option { return func(o *options) { o.timeout = timeout } }

// WithRetries says how many tries may follow a first one that failed in a way that can pass; default 8. All waits of a
// call together are 10 s at most.
func WithRetries(retriesMax int) Option { return func(o *options) { o.retriesMax = retriesMax } }

// WithBatchEntries says how many entries one request has at most, of calls that share it or of one for many; default 100.
func WithBatchEntries(entriesMax int) Option {
	return func(o *options) { o.batchEntriesMax = max(1, entriesMax) }
}

// WithHTTPClient makes requests with a client of your own: its transport, its TLS, its proxy. Its redirects and its
// timeout are not used.
func WithHTTPClient(client *http.Client) Option { return func(o *options) { o.client = client } }

// WithTraceparent says where an enqueue finds the W3C trace context it carries to the handler: the traceparent of its
// context, or "". Default: TraceparentOf, what ContextWithTraceparent put there.
func WithTraceparent(of func(context.Context) string) Option {
	return func(o *options) { o.traceparent = of }
}

// New makes a client. With an empty apiKey it takes $HANZO_API_KEY, else the key that a server on this machine
// generated. Where there is none, or the URL is no URL, every call says so.
func New(apiKey string, with ...Option) *Client {
	o := options{
		timeout: defaultTimeout, retriesMax: defaultRetries, batchEntriesMax: LimitBatchEntriesMax,
		traceparent: TraceparentOf,
	}
	for _, option := range with {
		option(&o)
	}
	base, key, err := findAccess(o.url, apiKey, os.Getenv)
	carrier := newConnection(base, key, o.client)
	client := newClient(o, carrier.exchange)
	client.connection = carrier
	if err != nil {
		client.fault = argumentError("%w", err)
	}
	return client
}

func newClient(o options, carry exchange) *Client {
	life, end := context.WithCancel(context.Background())
	c := &Client{
		leases:      newLeases(leasesMax),
		batchLimit:  newBatchLimit(o.batchEntriesMax),
		traceparent: o.traceparent,
		life:        life,
		end:         end,
		consumers:   map[*consumer]context.CancelFunc{},
		transport: &transport{
			exchange: carry, policy: newRetryPolicy(o.retriesMax), timeout: o.timeout, sleep: pause, life: life,
			onCall: o.onCall,
		},
	}
	c.enqueues = newCoalescer(c.batchLimit, func(queue string) sendBatch { return enqueuesTo(c.transport, queue) })
	c.settles = newCoalescer(c.batchLimit, func(queue string) sendBatch { return settlementsOf(c.transport, queue) })
	return c
}

// Stop ends the consumers that run now gracefully, as the end of their context does, and returns at once; Consume returns
// when they have. From anywhere, also from a handler. Before the first one has begun, that one ends at once: a stop that
// comes early is not lost.
func (c *Client) Stop() {
	c.guard.Lock()
	defer c.guard.Unlock()
	c.stopIsKept = !c.hasConsumed
	for _, stop := range c.consumers {
		stop()
	}
}

// running notes that a consumer runs, and how to stop it, until over is called.
func (c *Client) running(one *consumer, stop context.CancelFunc) (over func()) {
	c.guard.Lock()
	defer c.guard.Unlock()
	c.consumers[one] = stop
	if c.stopIsKept {
		stop()
	}
	c.hasConsumed, c.stopIsKept = true, false
	return func() {
		c.guard.Lock()
		defer c.guard.Unlock()
		delete(c.consumers, one)
	}
}

// Close ends the client: calls that wait end with ErrClientClosed. Let consumers end before: end their context, and
// wait for ConsumeContext to return.
func (c *Client) Close() {
	c.end()
	if c.connection != nil {
		c.connection.close()
	}
}

// enter: a call begins.
func (c *Client) enter() error {
	if c.fault != nil {
		return c.fault
	}
	if c.life.Err() != nil {
		return closedError(OutcomeNone)
	}
	return nil
}
