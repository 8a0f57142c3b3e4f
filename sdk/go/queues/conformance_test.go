package queues

// Runs spec/vectors, which say what every SDK does: `go test ./queues -run TestConformance`. Scenarios need a live
// server: CONFORMANCE_URL, CONFORMANCE_KEY, and CONFORMANCE_CONTROL for those that kill it. CONFORMANCE_REPORT names a
// file for the results.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

const vectorsPath = "../../../spec/vectors"

// lacks says why an ability that vectors may need is not there.
var lacks = map[string]string{
	"openConfig": "a config is a struct: a setting that does not exist does not compile",
}

type vectorFile struct {
	Values  json.RawMessage   `json:"values"`
	Vectors []json.RawMessage `json:"vectors"`
}

type vector struct {
	name   string
	needs  []string
	fields fields
	values fields
}

// reason says why a vector is skipped, or "".
func (v vector) reason() string {
	for _, need := range v.needs {
		if lacks[need] != "" {
			return lacks[need]
		}
		if need == "kill" && os.Getenv("CONFORMANCE_CONTROL") == "" {
			return "CONFORMANCE_CONTROL is not set"
		}
	}
	return ""
}

func (v vector) needsKill() bool {
	for _, need := range v.needs {
		if need == "kill" {
			return true
		}
	}
	return false
}

func readVectors(t *testing.T, path string) []vector {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	values := fields{}
	if file.Values != nil {
		raw := parse(file.Values).(fields)
		for name, value := range raw {
			values[name] = resolveIn(value, raw)
		}
	}
	var vectors []vector
	for _, raw := range file.Vectors {
		one := parse(raw).(fields)
		read := vector{name: one["name"].(string), fields: one, values: values}
		needs, _ := one["needs"].([]any)
		for _, need := range needs {
			read.needs = append(read.needs, need.(string))
		}
		vectors = append(vectors, read)
	}
	return vectors
}

// resolveIn: a value may stand on other values of its file.
func resolveIn(value any, values fields) any {
	for range 4 {
		value = resolve(value, values)
	}
	return value
}

func TestConformance(t *testing.T) {
	if _, err := os.Stat(vectorsPath); err != nil {
		t.Skip("the vectors lie in the repository of the server, beside this SDK")
	}
	report := newReport(t)
	for _, folder := range []string{"wire", "retry", "sharing", "scaling", "scenario"} {
		for _, killing := range []bool{false, true} { // those that kill the server come last
			paths, _ := filepath.Glob(filepath.Join(vectorsPath, folder, "*.json"))
			if len(paths) == 0 {
				t.Errorf("there are no vectors in %s", folder)
			}
			for _, path := range paths {
				for _, one := range readVectors(t, path) {
					if one.needsKill() == killing {
						name := fmt.Sprintf("%s/%s: %s", folder, filepath.Base(path), one.name)
						report.run(t, name, one, drivers[folder])
					}
				}
			}
		}
	}
}

var drivers = map[string]func(t *testing.T, v vector) (skipped string){
	"wire": runWire, "retry": runRetry, "sharing": runSharing, "scaling": runScaling, "scenario": runScenario,
}

// report writes what became of each vector, one JSON object a line.
type report struct{ file *os.File }

func newReport(t *testing.T) *report {
	path := os.Getenv("CONFORMANCE_REPORT")
	if path == "" {
		return &report{}
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return &report{file}
}

func (r *report) run(t *testing.T, name string, v vector, driver func(*testing.T, vector) string) {
	reason := v.reason()
	passed := t.Run(name, func(t *testing.T) {
		if reason == "" {
			reason = driver(t, v)
		}
		if reason != "" {
			t.Skip(reason)
		}
	})
	line := map[string]string{"vector": name, "result": "passed"}
	if !passed {
		line["result"], line["reason"] = "failed", "see the output of go test"
	} else if reason != "" {
		line["result"], line["reason"] = "skipped", reason
	}
	if r.file != nil {
		text, _ := json.Marshal(line)
		fmt.Fprintln(r.file, string(text))
	}
}

// expect holds the end of a call against what its step expects.
func expect(t *testing.T, step, names fields, result any, err error) {
	t.Helper()
	if wanted, fails := step["raises"]; fails {
		if err == nil {
			t.Errorf("%v: expected an error, got %s", step["op"], shown(result))
		} else if found := differs(resolve(wanted, names), plain(raised(err)), false); found != "" {
			t.Errorf("%v raises%s", step["op"], found)
		}
		return
	}
	if err != nil {
		t.Errorf("%v: %v", step["op"], err)
		return
	}
	if wanted, says := step["returns"]; says {
		if found := differs(resolve(wanted, names), result, false); found != "" {
			t.Errorf("%v returns%s", step["op"], found)
		}
	}
}

func runScaling(t *testing.T, v vector) string {
	g := given(v.fields)
	s := scale{min: g.int("min"), max: g.int("max"), current: g.int("begin")}
	expected := v.fields["concurrency"].([]any)
	at := 0
	for _, look := range asList(v.fields["looks"]) {
		busy, _ := look["busy"].(bool)
		now := seen{backlog: number(look["backlog"]), handler: number(look["handlerSeconds"]), busy: busy}
		for range int(number(look["times"])) {
			if found := s.next(now); found != int(number(expected[at])) {
				t.Fatalf("look %d: concurrency is %d, not %v", at, found, expected[at])
			}
			at++
		}
	}
	return ""
}
