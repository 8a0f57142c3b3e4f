package queues

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"
)

const (
	connectTimeout = 5 * time.Second
	// keepAlive: less than the server (75 s) and usual proxies (60 s) keep an idle connection, so that a request
	// never meets a closing one, where its outcome would be unknown.
	keepAlive      = 30 * time.Second
	connectionsMax = 1000
)

var userAgent = "hanzo-queues-go/" + Version + " go/" + strings.TrimPrefix(runtime.Version(), "go")

// answer is what came back, whatever its status.
type answer struct {
	status  int
	headers http.Header
	body    []byte
}

// exchange carries one request, and repeats nothing: the connection does it, or a test's stand-in.
type exchange func(ctx context.Context, method, target string, body []byte, within time.Duration) (answer, error)

// connection is a pool of connections to one server. It turns failures into ErrServerUnreachable with an outcome.
type connection struct {
	base   string
	apiKey string
	client *http.Client
}

func newConnection(base, apiKey string, given *http.Client) *connection {
	client := given
	if client == nil {
		client = &http.Client{Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout: connectTimeout,
			MaxIdleConnsPerHost: connectionsMax,
			MaxConnsPerHost:     connectionsMax,
			IdleConnTimeout:     keepAlive,
			DisableCompression:  true,
			ForceAttemptHTTP2:   true,
		}}
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &connection{base: base, apiKey: apiKey, client: &direct}
}

// exchange sends one request; target is the encoded path and query, within bounds all of it.
func (c *connection) exchange(
	ctx context.Context, method, target string, body []byte, within time.Duration,
) (answer, error) {
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := c.request(bounded, method, target, body)
	if err != nil {
		return answer{}, argumentError("%w", err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return answer{}, c.unreachable(err, within)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, c.unreachable(err, within)
	}
	return answer{response.StatusCode, response.Header, content}, nil
}

func (c *connection) request(ctx context.Context, method, target string, body []byte) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+target, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.apiKey)
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

func (c *connection) unreachable(err error, within time.Duration) *Error {
	failed := &Error{Code: ErrServerUnreachable, Retryable: true, Outcome: OutcomeUnknown, cause: err}
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		failed.Outcome = OutcomeNone
		failed.Detail = fmt.Sprintf("no connection to %s: %v. Does the server run there?", c.base, dial)
	case errors.Is(err, context.DeadlineExceeded):
		failed.Detail = fmt.Sprintf("no answer from %s within %g s", c.base, within.Seconds())
	default:
		failed.Detail = fmt.Sprintf("the connection to %s broke: %v", c.base, err)
	}
	return failed
}

func (c *connection) close() { c.client.CloseIdleConnections() }
