package queues

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMain gives the examples and the scenarios a live server: the one of HANZO_URL or CONFORMANCE_URL, else one of the
// repository's own, when it has been built. Without any they are skipped.
func TestMain(m *testing.M) {
	os.Exit(withServer(m.Run))
}

func withServer(tests func() int) int {
	if url := first(os.Getenv("HANZO_URL"), os.Getenv("CONFORMANCE_URL")); url != "" {
		serveAt(url, first(os.Getenv("HANZO_API_KEY"), os.Getenv("CONFORMANCE_KEY")))
		return tests()
	}
	program, err := filepath.Abs("../../../.venv/bin/hanzo-queues")
	if err != nil {
		panic(err)
	}
	if _, err := os.Stat(program); err != nil {
		fmt.Fprintln(os.Stderr, "examples and scenarios are skipped, there is no server:", err)
		if err := flag.Set("test.skip", "^(Example|TestLive)"); err != nil {
			panic(err)
		}
		return tests()
	}
	server, err := startServer(program)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer server.close()
	return tests()
}

func serveAt(url, key string) {
	for name, value := range map[string]string{
		"HANZO_URL": url, "CONFORMANCE_URL": url, "HANZO_API_KEY": key, "CONFORMANCE_KEY": key,
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
}

// serveWhile serves as long as its input is open: the server ends with this process, however that ends.
const serveWhile = `exec 3<&0; "$0" serve </dev/null 3<&- & server=$!; (cat <&3 >/dev/null; kill $server) & wait $server`

// ownServer is a server in a process and a directory of its own.
type ownServer struct {
	input     io.Closer
	directory string
	exited    chan struct{}
}

func startServer(program string) (*ownServer, error) {
	directory, err := os.MkdirTemp("", "hanzo-queues-go-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	command := exec.Command("sh", "-c", serveWhile, program)
	s := &ownServer{directory: directory, exited: make(chan struct{})}
	if s.input, err = command.StdinPipe(); err != nil {
		return nil, err
	}
	url := "http://127.0.0.1:" + port
	command.Env = append(os.Environ(), "HANZO_API_KEYS=your-api-key", "HOST=127.0.0.1", "PORT="+port,
		"HANZO_DATA_DIR="+filepath.Join(directory, "data"), "NATS_URL=", "REDIS_URL=")
	log, err := os.Create(filepath.Join(directory, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = command.Wait()
		close(s.exited)
	}()
	if err := s.ready(url); err != nil {
		text, _ := os.ReadFile(log.Name())
		s.close()
		return nil, fmt.Errorf("%w; its log begins:\n%s", err, text[:min(len(text), 2000)])
	}
	serveAt(url, "your-api-key")
	return s, nil
}

// ready waits until the server answers.
func (s *ownServer) ready(url string) error {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if response, err := http.Get(url + "/health/ready"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the server ended")
		case <-time.After(20 * time.Millisecond): // there is nothing to wait for but its port
		}
	}
	return fmt.Errorf("the server was not ready within a minute")
}

func (s *ownServer) close() {
	_ = s.input.Close()
	<-s.exited
	_ = os.RemoveAll(s.directory)
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}
