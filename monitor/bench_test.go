package monitor

import (
	"fmt"
	"testing"

	"github.com/solotick/solotick/record"
)

// BenchmarkItems judges ten thousand records, as a page of all of them does.
func BenchmarkItems(b *testing.B) {
	h := NewHistory(Limits{})
	p := minute(b)
	for i := range 10_000 {
		t := Target{Name: fmt.Sprint("job", i, ".example.com"), Policy: p}
		h.Watch(t)
		h.See(sight(t, at(5), idle(agentA, 0, 4, record.OK).String()))
	}
	b.ReportAllocs()
	for b.Loop() {
		h.Items(at(6))
	}
}
