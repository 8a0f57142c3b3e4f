package queues

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// encode is JSON as other languages write it: <, > and & as they are.
func encode(value any) (json.RawMessage, error) {
	if _, isBytes := value.([]byte); isBytes {
		return nil, argumentError("a payload is JSON, which can't hold bytes: send json.RawMessage(data) when they are " +
			"JSON, else base64.StdEncoding.EncodeToString(data), or store them elsewhere and send where they are")
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, argumentError("a payload is JSON: %w", err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// object builds a JSON object of what was given, in order. The first fault is kept until done.
type object struct {
	text bytes.Buffer
	err  error
}

func (o *object) raw(name string, value json.RawMessage) {
	if o.text.Len() > 0 {
		o.text.WriteByte(',')
	}
	o.text.WriteByte('"')
	o.text.WriteString(name)
	o.text.WriteString(`":`)
	o.text.Write(value)
}

func (o *object) value(name string, value any) {
	encoded, err := encode(value)
	if err != nil {
		o.fail(err)
		return
	}
	o.raw(name, encoded)
}

func (o *object) string(name, value string) {
	if value != "" {
		o.value(name, value)
	}
}

func (o *object) flag(name string, value bool) {
	if value {
		o.value(name, value)
	}
}

// integer sends a number that was given, and 0 for None.
func (o *object) integer(name string, value int) { o.number(name, float64(value), "0") }

// seconds sends a duration that was given, and 0 for None.
func (o *object) seconds(name string, value Seconds) { o.number(name, float64(value), "0") }

// number sends a number that was given; none says what None means for it.
func (o *object) number(name string, value float64, none string) {
	switch {
	case value == 0:
	case value == None:
		o.raw(name, json.RawMessage(none))
	case math.IsNaN(value) || math.IsInf(value, 0):
		o.fail(argumentError("%s is %v; it must be a number", name, value))
	default:
		o.raw(name, strconv.AppendFloat(nil, value, 'f', -1, 64))
	}
}

func (o *object) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

// done is the object's JSON.
func (o *object) done() (json.RawMessage, error) {
	if o.err != nil {
		return nil, o.err
	}
	return json.RawMessage("{" + o.text.String() + "}"), nil
}

// join is a JSON array of entries that are JSON already.
func join(entries []json.RawMessage) json.RawMessage {
	var text bytes.Buffer
	text.WriteByte('[')
	for index, entry := range entries {
		if index > 0 {
			text.WriteByte(',')
		}
		text.Write(entry)
	}
	text.WriteByte(']')
	return text.Bytes()
}

// query is a query string of what was given, in order.
type query struct{ text strings.Builder }

func (q *query) string(name, value string) {
	if value == "" {
		return
	}
	separator := "&"
	if q.text.Len() == 0 {
		separator = "?"
	}
	q.text.WriteString(separator + name + "=" + url.QueryEscape(value))
}

func (q *query) integer(name string, value int) {
	if value != 0 {
		q.string(name, strconv.Itoa(value))
	}
}

// seconds are sent to the millisecond: computed ones, such as what is left of a deadline, have more decimals.
func (q *query) seconds(name string, value Seconds) {
	if value == 0 || value == None {
		return
	}
	rounded := math.Round(float64(value)*1000) / 1000
	q.string(name, strconv.FormatFloat(rounded, 'f', -1, 64))
}

func queueTarget(queue, rest string) string { return "/v1/queues/" + quoted(queue) + rest }

func messageTarget(id, rest string) string { return "/v1/messages/" + quoted(id) + rest }

// quoted is one part of a path.
func quoted(part string) string { return strings.ReplaceAll(url.QueryEscape(part), "+", "%20") }
