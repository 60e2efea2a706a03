package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestOwnHost has a site whose name resolves to the loopback address.
func TestOwnHost(t *testing.T) {
	const none = http.StatusMisdirectedRequest
	for _, tt := range []struct {
		at, host string
		want     int
	}{
		{"127.0.0.1:8080", "evil.example:8080", none},
		{"127.0.0.1:8080", "EVIL.example.:8080", none},
		{"[::1]:8080", "127.0.0.1.evil.example:8080", none},
		{"127.0.0.1:80", "evil.example", none},
		{"127.0.0.1:8080", "127.0.0.1:8080", 200},
		{"127.0.0.1:8080", "[::1]:8080", 200},
		{"127.0.0.1:80", "[::1]", 200},
		{"127.0.0.1:8080", "localhost:8080", 200},
		{"127.0.0.1:8080", "jobs.localhost:8080", 200},
		{"127.0.0.1:8080", "host.docker.internal:8080", 200},
		{"127.0.0.1:8080", "machine:8080", 200},
		{"127.0.0.1:8080", "status.example.com", 200}, // by a proxy
		{"127.0.0.1:8080", "status.example.com:8443", 200},
		{"127.0.0.1:8080", "", 200},
		{"192.0.2.1:8080", "jobs.example.com:8080", 200},
	} {
		at, err := net.ResolveTCPAddr("tcp", tt.at)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		ownHost(at, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s at %s: %d, want %d", tt.host, tt.at, w.Code, tt.want)
		}
	}
}
