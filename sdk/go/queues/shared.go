package queues

import (
	"encoding/json"
)

// enqueuesTo is what a lane of enqueues does with its batch.
func enqueuesTo(t *transport, queue string) sendBatch {
	single, several := queueTarget(queue, "/messages"), queueTarget(queue, "/messages/batch")
	return func(batch []*entry) error {
		safe := true
		for _, one := range batch {
			safe = safe && one.safe
		}
		if len(batch) == 1 {
			body, err := t.call(t.life, request{
				method: "POST", target: single, body: batch[0].body, safe: safe, messages: 1,
			})
			if err == nil {
				batch[0].resolve(body)
			}
			return err
		}
		waited := Seconds(0)
		for failures := 1; len(batch) > 0; failures++ {
			results, err := enqueueAll(t, several, batch, safe)
			if err != nil {
				return err
			}
			batch, waited = again(t, failures, waited, batch, results)
		}
		return nil
	}
}

func enqueueAll(t *transport, target string, batch []*entry, safe bool) ([]json.RawMessage, error) {
	body := append(append(json.RawMessage(`{"messages":`), join(bodies(batch))...), '}')
	answer, err := call[struct {
		Results []json.RawMessage `json:"results"`
	}](t.life, t, request{method: "POST", target: target, body: body, safe: safe, messages: len(batch)})
	if err != nil {
		return nil, err
	}
	if len(answer.Results) != len(batch) {
		return nil, strangeAnswer()
	}
	return answer.Results, nil
}

func bodies(batch []*entry) []json.RawMessage {
	all := make([]json.RawMessage, len(batch))
	for index, one := range batch {
		all[index] = one.body
	}
	return all
}

func strangeAnswer() *Error {
	return &Error{Detail: "the answer is not one of this API", Outcome: OutcomeUnknown}
}

// again tells the callers of a batch, and returns those whose message can be accepted later, when it is time. A limit,
// a pause or a full queue means the same for a message that shares a request as for one that is alone. And how long it
// has waited in all.
func again(
	t *transport, failures int, waited Seconds, batch []*entry, results []json.RawMessage,
) ([]*entry, Seconds) {
	refused := map[*entry]*Error{}
	var last *Error
	for index, one := range batch {
		err := entryError(results[index])
		if err == nil {
			one.resolve(results[index])
			continue
		}
		refused[one] = err
		if isTransient(err) && (last == nil || err.RetryAfter > last.RetryAfter) {
			last = err
		}
	}
	repeats := false
	if last != nil {
		var delay Seconds
		delay, repeats = t.backOff(t.life, failures, last, waited)
		waited += delay
	}
	var left []*entry
	for _, one := range batch {
		switch err := refused[one]; {
		case err == nil:
		case !repeats || !isTransient(err):
			one.refuse(err)
		case one.waits():
			left = append(left, one)
		}
	}
	return left, waited
}

// entryError is the error of one entry's result, or nil.
func entryError(result json.RawMessage) *Error {
	var told struct {
		Error *problem `json:"error"`
	}
	if json.Unmarshal(result, &told) != nil || told.Error == nil {
		return nil
	}
	return errorOf(*told.Error)
}

// settlementsOf is what a lane of acks, nacks, releases and extends does with its batch. A receipt makes each safe to
// repeat.
func settlementsOf(t *transport, queue string) sendBatch {
	target := queueTarget(queue, "/settle")
	return func(batch []*entry) error {
		kinds, byKind := kindsOf(batch)
		var o object
		for _, kind := range kinds {
			o.raw(kind, join(bodies(byKind[kind])))
		}
		body, err := o.done()
		if err != nil {
			return err
		}
		answer, err := call[map[string]json.RawMessage](
			t.life, t, request{method: "POST", target: target, body: body, safe: true, messages: len(batch)})
		if err != nil {
			return err
		}
		for _, kind := range kinds {
			if err := settleKind(byKind[kind], answer[kind]); err != nil {
				return err
			}
		}
		return nil
	}
}

func kindsOf(batch []*entry) ([]string, map[string][]*entry) {
	var kinds []string
	byKind := map[string][]*entry{}
	for _, one := range batch {
		if byKind[one.kind] == nil {
			kinds = append(kinds, one.kind)
		}
		byKind[one.kind] = append(byKind[one.kind], one)
	}
	return kinds, byKind
}

func settleKind(entries []*entry, answer json.RawMessage) error {
	var results []json.RawMessage
	if json.Unmarshal(answer, &results) != nil || len(results) != len(entries) {
		return strangeAnswer()
	}
	for index, one := range entries {
		if err := entryError(results[index]); err != nil {
			one.refuse(err)
		} else {
			one.resolve(results[index])
		}
	}
	return nil
}
