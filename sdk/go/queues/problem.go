package queues

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// problem is an error as the server writes it (RFC 9457), also inside an entry of a batch.
type problem struct {
	Code       Code            `json:"code"`
	Title      string          `json:"title"`
	Detail     string          `json:"detail"`
	Retryable  *bool           `json:"retryable"`
	Outcome    Outcome         `json:"outcome"`
	RetryAfter *float64        `json:"retryAfter"`
	Errors     []Fault         `json:"errors"`
	RequestID  string          `json:"requestId"`
	Results    json.RawMessage `json:"results"`
}

// problemOf is the error an answer stands for, whoever wrote it: the server, or a proxy before it.
func problemOf(got answer, now func() time.Time) *Error {
	var told problem
	_ = json.Unmarshal(got.body, &told) // what it can't be read from stays empty
	err := errorOf(told)
	err.Status = got.status
	err.Body = got.body
	if err.Detail == "" {
		err.Detail = strings.ToValidUTF8(string(got.body[:min(len(got.body), 200)]), "\uFFFD")
	}
	if _, known := codeTable[told.Code]; !known && told.Outcome == "" {
		// Without the server's word, only these statuses mean that the request was not carried out.
		err.Outcome = OutcomeNone
		if got.status >= 500 {
			err.Outcome = OutcomeUnknown
		}
	}
	if told.RetryAfter == nil {
		err.RetryAfter = retryAfterOf(got.headers, now)
	}
	err.RequestID = first(told.RequestID, got.headers.Get("X-Request-Id"))
	return err
}

// errorOf is the error of an entry of a batch: what it does not say is what its code means.
func errorOf(told problem) *Error {
	known := codeTable[told.Code]
	err := &Error{
		Code:      told.Code,
		Status:    known.status,
		Detail:    first(told.Detail, told.Title),
		Retryable: known.retryable,
		Outcome:   Outcome(first(string(told.Outcome), string(known.outcome), string(OutcomeNone))),
		Faults:    told.Errors,
		RequestID: told.RequestID,
	}
	if told.Retryable != nil {
		err.Retryable = *told.Retryable
	}
	if told.RetryAfter != nil {
		err.RetryAfter = Seconds(*told.RetryAfter)
	}
	if told.Results != nil && json.Unmarshal(told.Results, &err.Results) != nil {
		err.Results = nil
	}
	return err
}

// retryAfterOf is the Retry-After header in seconds from now: a number, or an HTTP date.
func retryAfterOf(headers http.Header, now func() time.Time) Seconds {
	text := headers.Get("Retry-After")
	if number, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(number) {
		return Seconds(max(0, number))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, Duration(at.Sub(now())))
	}
	return 0
}
