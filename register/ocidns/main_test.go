package ocidns_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// Nothing but loopback is reached: everything else goes to a proxy that leads
// nowhere, and is a failure.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	home, err := os.MkdirTemp("", "ocidns")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(home)
	var mu sync.Mutex
	var strays []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		strays = append(strays, r.Method+" "+r.Host)
		http.Error(w, "not in this world", http.StatusBadGateway)
	}))
	for name, value := range map[string]string{
		"HTTPS_PROXY": proxy.URL, "HTTP_PROXY": proxy.URL, "https_proxy": "", "http_proxy": "", "NO_PROXY": "", "no_proxy": "",
		"HOME": home, "OCI_METADATA_BASE_URL": "http://127.0.0.1:1", "OCI_CONFIG_FILE": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	proxy.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if len(strays) > 0 {
		fmt.Fprintf(os.Stderr, "requests to other places than loopback: %q\n", strays)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}
