package queues

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

const (
	readmePath     = "../README.md"
	repositoryPath = "../../../README.md"
)

// blocks is the Go code of the readme.
func blocks(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	return blocksOf(text)
}

func blocksOf(text []byte) []string {
	var found []string
	for _, block := range regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(text, -1) {
		found = append(found, string(block[1]))
	}
	return found
}

// exampleBodies is the code of the examples, which go test runs, as the readme shows it: without the client they begin
// with, and without the output they are held against.
func exampleBodies(t *testing.T) map[string]string {
	t.Helper()
	bodies := map[string]string{}
	paths, _ := filepath.Glob("example*_test.go")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range file.Decls {
			function, isFunction := declared.(*ast.FuncDecl)
			if isFunction && strings.HasPrefix(function.Name.Name, "Example") {
				body := text[files.Position(function.Body.Lbrace).Offset+1 : files.Position(function.Body.Rbrace).Offset]
				bodies[shownBody(t, body)] = function.Name.Name
			}
		}
	}
	return bodies
}

func shownBody(t *testing.T, body []byte) string {
	t.Helper()
	formatted, err := format.Source(bytes.TrimLeft(body, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?ms)^\t?// (Output|Unordered output):.*`).ReplaceAllString(string(formatted), "")
	text = regexp.MustCompile(`(?m)^\t`).ReplaceAllString(text, "")
	text = strings.Replace(text, "client := queues.New(\"\")\n", "", 1)
	return strings.TrimSpace(text) + "\n"
}

func TestTheReadmeShowsWhatIsRun(t *testing.T) {
	bodies := exampleBodies(t)
	quickstart, err := os.ReadFile("../examples/quickstart/main.go")
	if err != nil {
		t.Fatal(err)
	}
	bodies[string(quickstart)] = "the quickstart"
	found := blocks(t)
	for _, block := range found {
		if bodies[block] == "" {
			t.Errorf("no example is this block of the readme:\n%s", block)
		}
	}
	if len(found) != len(bodies) {
		t.Errorf("the readme shows %d of %d examples", len(found), len(bodies))
	}
}

// TestTheRepositorysReadmeShowsWhatIsRun: it shows the first calls of this readme, without what looks at them.
func TestTheRepositorysReadmeShowsWhatIsRun(t *testing.T) {
	text, err := os.ReadFile(repositoryPath)
	if err != nil {
		t.Skip("the readme is that of the repository of the server")
	}
	looks := regexp.MustCompile(`(?m)^(if err != nil \{\n\tlog\.Fatal\(err\)\n\}|fmt\.Println\(.*\)|)\n`)
	shown := map[string]bool{}
	for _, block := range blocks(t) {
		shown[looks.ReplaceAllString(block, "")] = true
	}
	found := blocksOf(text)
	if len(found) == 0 {
		t.Error("it shows no Go")
	}
	for _, block := range found {
		if !shown[block] {
			t.Errorf("this readme does not show this block of the repository's:\n%s", block)
		}
	}
}

func TestTheVersionIsTheRepositorys(t *testing.T) {
	text, err := os.ReadFile("../../../Cargo.toml")
	if err != nil {
		t.Skip("the version is that of the repository of the server")
	}
	if !bytes.Contains(text, []byte("\nversion = \""+Version+"\"\n")) {
		t.Errorf("the repository's version is another than %s", Version)
	}
}

// raceFlags builds as this test was built, so that what is compiled already serves.
func raceFlags() []string {
	built, _ := debug.ReadBuildInfo()
	for _, setting := range built.Settings {
		if setting == (debug.BuildSetting{Key: "-race", Value: "true"}) {
			return []string{"-race"}
		}
	}
	return nil
}

// TestLiveQuickstart does what the readme tells a new user, in a fresh folder.
func TestLiveQuickstart(t *testing.T) {
	module, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(blocks(t)[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{
		{"mod", "init", "example.com/hello"},
		{"mod", "edit", "-require", "github.com/hanzoai/go-sdk@v" + Version, "-replace", "github.com/hanzoai/go-sdk=" + module},
		append([]string{"build", "-o", "hello"}, raceFlags()...),
	} {
		command := exec.Command("go", arguments...)
		command.Dir = folder
		command.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off")
		if said, err := command.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", arguments, err, said)
		}
	}
	var said bytes.Buffer
	program := exec.Command(filepath.Join(folder, "hello"))
	output, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(30*time.Second, func() { _ = program.Process.Kill() }).Stop()
	for part := make([]byte, 1024); !strings.Contains(said.String(), "sending"); {
		size, err := output.Read(part)
		said.Write(part[:size])
		if err != nil {
			t.Fatalf("it said: %s", said.String())
		}
	}
	_ = program.Process.Signal(os.Interrupt)
	if err := program.Wait(); err != nil {
		t.Error(err)
	}
	shown := regexp.MustCompile(`^enqueued [0-9a-v]{20}\nsending welcome to ada@example.com\n$`)
	if !shown.MatchString(said.String()) {
		t.Errorf("it said: %s", said.String())
	}
}
