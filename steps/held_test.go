//go:build linux

package steps

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

// TestSizeAsJSON measures what values take.
func TestSizeAsJSON(t *testing.T) {
	for _, unit := range []string{"1,", "{},", "[],", `"",`, `{"a":1},`, `{"a":{}},`, "[[]],", `"a,b,c,d:{[",`, `{"name":"x","at":1,"ok":true},`} {
		text := "[" + strings.Repeat(unit, 1<<20/len(unit)) + "1]"
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		used, said := int64(after.HeapAlloc)-int64(before.HeapAlloc), sizeAsJSON(text)
		runtime.KeepAlive(v)
		if said < used*3/4 || said > 8*max(used, 1<<20) {
			t.Errorf("%s: %d KiB, said to be %d", unit, used>>10, said>>10)
		}
	}
}
