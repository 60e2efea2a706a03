package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEventLines(t *testing.T) {
	var got []string
	e := &eventLines{tell: func(l eventLevel, line string) {
		if len(line) > longestEvent {
			t.Errorf("an event of %d bytes", len(line))
		}
		got = append(got, fmt.Sprintf("%d %.30s", l, line))
	}}
	var plain strings.Builder
	log := slog.New(slog.NewJSONHandler(io.MultiWriter(e, &plain), &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.String(a.Key, "T")
		}
		return a
	}}))
	log.Info("a")
	log.Warn("b")
	log.Error("c")
	log.Info(`"level":"ERROR"`) // within a message
	for _, part := range []string{"one\r\n\n", "tw", "o\nthr", "ee\x00\xff\n", "left "} {
		if n, err := e.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
	}
	fmt.Fprint(e, strings.Repeat("x", longestEvent), "\n")
	want := []string{
		`0 {"time":"T","level":"INFO","ms`, `1 {"time":"T","level":"WARN","ms`, `2 {"time":"T","level":"ERROR","m`, `0 {"time":"T","level":"INFO","ms`,
		"0 one", "0 two", "0 three\uFFFD", "0 left " + strings.Repeat("x", 25), "0 xxxxx",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
