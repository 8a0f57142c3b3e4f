package queues

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// given is the arguments of a call, as a vector writes them. A number that is 0, and a setting that is null, are said
// with None and its like: left at its zero value, a field is not sent.
type given fields

func (g given) text(name string) string {
	text, _ := g[name].(string)
	return text
}

func (g given) flag(name string) bool {
	flag, _ := g[name].(bool)
	return flag
}

func (g given) float(name string) float64 {
	value, isGiven := g[name]
	if !isGiven {
		return 0
	}
	if value == nil || number(value) == 0 {
		return None
	}
	return number(value)
}

func (g given) int(name string) int { return int(g.float(name)) }

func (g given) seconds(name string) Seconds { return Seconds(g.float(name)) }

func (g given) inside(name string) given {
	inside, _ := g[name].(fields)
	return given(inside)
}

func (g given) texts(name string) []string {
	var texts []string
	list, _ := g[name].([]any)
	for _, one := range list {
		texts = append(texts, one.(string))
	}
	return texts
}

func (g given) config() Config {
	config := g.inside("config")
	made := Config{
		MaxRetries: config.int("maxRetries"), VisibilityTimeout: config.seconds("visibilityTimeout"),
		DeadLetterQueue: config.text("deadLetterQueue"), RateLimit: config.limit("rateLimit"),
		ConsumerRateLimit: config.limit("consumerRateLimit"), KeyRateLimit: config.limit("keyRateLimit"),
		IngressLimit: config.limit("ingressLimit"), MaxMessages: config.int("maxMessages"),
		MaxInFlight: config.int("maxInFlight"), DedupWindow: config.seconds("dedupWindow"),
		Delay: config.seconds("delay"), TTL: config.seconds("ttl"), DeadRetention: config.seconds("deadRetention"),
		ResultRetention: config.seconds("resultRetention"), SessionTimeout: config.seconds("sessionTimeout"),
	}
	if queue, isGiven := config["deadLetterQueue"]; isGiven && queue == nil {
		made.DeadLetterQueue = NoQueue
	}
	if fairness := config.inside("fairness"); fairness != nil {
		made.Fairness = &Fairness{MaxInFlight: fairness.int("maxInFlight")}
		for key, weight := range fairness.inside("weights") {
			if made.Fairness.Weights == nil {
				made.Fairness.Weights = map[string]int{}
			}
			made.Fairness.Weights[key] = int(number(weight))
		}
	}
	if scheduling := config.inside("scheduling"); scheduling != nil {
		made.Scheduling = &Scheduling{
			Mode: SchedulingMode(scheduling.text("mode")), AgingSeconds: scheduling.seconds("agingSeconds"),
		}
	}
	made.Backoff = config.backoff()
	return made
}

func (g given) backoff() *Backoff {
	backoff := g.inside("backoff")
	if backoff == nil {
		return nil
	}
	return &Backoff{
		Initial: backoff.seconds("initial"), Multiplier: backoff.float("multiplier"), Max: backoff.seconds("max"),
		Jitter: backoff.float("jitter"),
	}
}

func (g given) limit(name string) *RateLimit {
	value, isGiven := g[name]
	if !isGiven {
		return nil
	}
	if value == nil {
		return NoLimit
	}
	limit := g.inside(name)
	return &RateLimit{Requests: limit.int("requests"), Per: Period(limit.text("per")), Burst: limit.int("burst")}
}

func (g given) enqueueParams() EnqueueParams {
	params := EnqueueParams{
		Queue: g.text("queue"), Payload: g["payload"], Priority: g.int("priority"), Delay: g.seconds("delay"),
		DedupID: g.text("dedupId"), DedupUntil: DedupUntil(g.text("dedupUntil")), OrderingKey: g.text("orderingKey"),
		FairnessKey: g.text("fairnessKey"), TTL: g.seconds("ttl"), MaxRetries: g.int("maxRetries"),
		Backoff: g.backoff(), Traceparent: g.text("traceparent"),
	}
	if metadata := g.inside("metadata"); metadata != nil {
		params.Metadata = metadata
	}
	return params
}

func (g given) enqueueAll(name string) []EnqueueParams {
	var all []EnqueueParams
	list, _ := g[name].([]any)
	for _, one := range list {
		all = append(all, given(one.(fields)).enqueueParams())
	}
	return all
}

func (g given) ackParams() AckParams {
	params := AckParams{Result: g["result"], Enqueue: g.enqueueAll("enqueue")}
	if result, isGiven := g["result"]; isGiven && result == nil {
		params.Result = json.RawMessage("null")
	}
	return params
}

func (g given) filter() Filter {
	filter := g.inside("filter")
	made := Filter{
		State: State(filter.text("state")), Reason: DeathReason(filter.text("reason")), Error: filter.text("error"),
		OlderThan: filter.seconds("olderThan"), NewerThan: filter.seconds("newerThan"),
	}
	if metadata := filter.inside("metadata"); metadata != nil {
		made.Metadata = metadata
	}
	return made
}

func (g given) sweepParams() SweepParams {
	params := SweepParams{MaxMessages: g.int("max"), DryRun: g.flag("dryRun")}
	if rate := g.inside("rate"); rate != nil {
		params.Rate = &SweepRate{Requests: rate.int("requests"), Per: Period(rate.text("per"))}
	}
	return params
}

func (g given) directions() []Direction {
	var chosen []Direction
	_, named := g["receive"]
	if named && g.flag("receive") {
		chosen = append(chosen, Receives)
	}
	if g.flag("enqueue") {
		chosen = append(chosen, Enqueues)
	}
	return chosen
}

// message is a received message, or one this client received, by its id.
func (g given) message(c *Client) (*Message, error) {
	if id, isID := g["message"].(string); isID {
		return c.Held(id)
	}
	message := g.inside("message")
	return &Message{ID: message.text("id"), Queue: message.text("queue"), Receipt: message.text("receipt")}, nil
}

func enqueuedFields(one Enqueued) fields {
	result := plain(one).(fields)
	result["hasResult"] = one.Result != nil
	return result
}

func entryFields(one EntryResult) fields {
	if one.Err != nil {
		return fields{"error": raised(one.Err)}
	}
	return enqueuedFields(one.Enqueued)
}

func viewFields(view *MessageView) any {
	if view == nil {
		return nil
	}
	result := plain(*view).(fields)
	switch view.State {
	case StateReady, StateBlocked:
		result["at"] = plain(view.ReadyAt)
	case StateDelayed:
		result["at"] = plain(view.DueAt)
	case StateLeased:
		result["at"] = plain(view.LeasedUntil)
	case StateDead:
		result["at"] = plain(view.DeadAt)
	}
	return result
}

// kinds names the errors that are no answers of the server.
var kinds = map[Code]string{
	ErrServerUnreachable: "serverUnreachable", ErrOutcomeUnknown: "outcomeUnknown", ErrReceiptUnknown: "receiptUnknown",
	ErrClientClosed: "clientClosed", ErrArgumentInvalid: "invalid",
}

// raised is an error as vectors write it.
func raised(err error) fields {
	var known *Error
	if !errors.As(err, &known) {
		return fields{"error": fmt.Sprintf("%T: %v", err, err)}
	}
	told := fields{"error": "api", "outcome": string(known.Outcome), "retryable": known.Retryable}
	if kind := kinds[known.Code]; kind != "" {
		told["error"] = kind
		return told
	}
	told["code"], told["detail"], told["requestId"] = string(known.Code), known.Detail, plain(known.RequestID)
	told["status"], told["retryAfter"] = plain(known.Status), plain(known.RetryAfter)
	told["errors"] = plain(known.Faults)
	results := []any{}
	for _, one := range known.Results {
		results = append(results, entryFields(one))
	}
	told["results"] = results
	return told
}

// run makes the call that a vector names, and gives its result under the wire's names.
func run(ctx context.Context, c *Client, op string, args fields) (any, error) {
	call := calls[op]
	if call == nil {
		return nil, fmt.Errorf("this driver knows no operation %q", op)
	}
	return call(ctx, c, given(args))
}

type operation func(ctx context.Context, c *Client, g given) (any, error)

// of gives a result under the wire's names; one names the member that a bare value is.
func of[T any](value T, err error, one ...string) (any, error) {
	if err != nil {
		return nil, err
	}
	if len(one) > 0 {
		return fields{one[0]: plain(value)}, nil
	}
	return plain(value), nil
}
