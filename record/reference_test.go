package record_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/record"
)

var update = flag.Bool("update", false, "rewrite docs/reference/record.md")

// TestReference keeps the page of the record one of texts that this package writes,
// and of the table in docs/protocol.md, which TestKeysOfProtocol holds.
func TestReference(t *testing.T) {
	protocol, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(protocol), "\n## 3. The record\n")
	_, table, _ = strings.Cut(table, "| key | meaning |")
	table, _, ok := strings.Cut(table, "\n\n")
	if !ok {
		t.Fatal("docs/protocol.md has no table of keys")
	}
	idle := record.Record{ID: "VDNDNQNWQY", Timer: 1641903970, TimerOld: 1641903910, Seq: 1641903911000, Last: record.OK}
	claimed := idle
	claimed.Timer, claimed.TimerOld, claimed.Seq = 1641904030, 1641903970, 1641903970000
	claimed.Claimed, claimed.Until, claimed.Lease = true, 1641903985, 15
	retry := idle
	retry.Try, retry.Last = 2, record.Failed
	paused := idle
	paused.Pause, paused.Why = -1, "db migration"
	state := idle
	state.State = "page 7"

	var b strings.Builder
	b.WriteString("# The record\n\n<!-- Generated from what package record writes, and the table of the protocol: go test ./record -run TestReference -update -->\n\n")
	b.WriteString("The text of the TXT record of one job, which everybody can read. What agents do with it: [the protocol](../protocol.md#3-the-record).\n")
	b.WriteString("Decoded: `solotick record get`; by hand: [dig and jq](../dig.md).\n\n| key | meaning |" + table + "\n")
	for _, c := range []struct {
		title string
		r     record.Record
	}{
		{"Idle", idle}, {"Claimed: a run is in progress", claimed}, {"A retry is pending", retry}, {"Paused, without an end", paused}, {"With a state", state},
	} {
		fmt.Fprintf(&b, "\n%s, %d bytes:\n\n```json\n%s\n```\n", c.title, len(c.r.String()), c.r)
	}
	const file = "../docs/reference/record.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), b.String()); diff != "" {
		t.Errorf("%s (-written +record; go test ./record -run TestReference -update rewrites it):\n%s", file, diff)
	}
}
