package queues

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

const (
	defaultURL = "http://localhost:8080"
	apiKeyFile = "api-key"
)

// findAccess says which server, and with which key: arguments go before HANZO_URL and HANZO_API_KEY, these before the
// defaults. The key a server generated for itself is found in its data directory, but only sent to this machine: a
// local key must not leak to wherever HANZO_URL points.
func findAccess(base, apiKey string, getenv func(string) string) (string, string, error) {
	at, err := parseBase(first(base, getenv("HANZO_URL"), defaultURL))
	if err != nil {
		return "", "", err
	}
	key := first(apiKey, getenv("HANZO_API_KEY"))
	if key == "" && isLocal(at) {
		key = generatedKey(getenv)
	}
	if key == "" {
		return "", "", fmt.Errorf("no API key: pass it to New, set HANZO_API_KEY, or run on the machine (and as the "+
			"user) of a server that generated its own; looked in %s", apiKeyPath(getenv))
	}
	for _, char := range key {
		if char <= ' ' || char > '~' {
			return "", "", errors.New("the API key has a character that no key has; was it copied whole?")
		}
	}
	return at.String(), key, nil
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func parseBase(text string) (*url.URL, error) {
	at, err := url.Parse(text)
	if err != nil || (at.Scheme != "http" && at.Scheme != "https") || at.Hostname() == "" {
		return nil, fmt.Errorf("the URL is %q; it must be like %s", text, defaultURL)
	}
	return &url.URL{Scheme: at.Scheme, User: at.User, Host: at.Host, Path: strings.TrimRight(at.Path, "/")}, nil
}

func isLocal(at *url.URL) bool {
	ip := net.ParseIP(at.Hostname())
	return at.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func generatedKey(getenv func(string) string) string {
	key, err := os.ReadFile(apiKeyPath(getenv))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(key))
}

// apiKeyPath is where a server on this machine leaves the key it generated. The file may not exist.
func apiKeyPath(getenv func(string) string) string {
	home := getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	if chosen := getenv("HANZO_DATA_DIR"); chosen != "" {
		if rest, ok := strings.CutPrefix(chosen, "~/"); ok {
			chosen = filepath.Join(home, rest)
		}
		return filepath.Join(chosen, apiKeyFile)
	}
	if shared := getenv("XDG_DATA_HOME"); shared != "" {
		return filepath.Join(shared, "hanzo-queues", apiKeyFile)
	}
	return filepath.Join(home, ".local", "share", "hanzo-queues", apiKeyFile)
}
