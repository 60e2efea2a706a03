package record_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/solotick/solotick/record"
)

// vectors is testdata/vectors.json.
type vectors struct {
	About []string `json:"about"`
	Texts []struct {
		Name, Text, Hex string
		Record          *fields
		Canonical       string
		Error           *struct {
			Offset  int
			Message string
		}
	}
	Sets []struct {
		Name    string
		Texts   []string
		Now     int64
		State   string
		Record  string
		Foreign []string
		Detail  string
	}
}

// fields are those of a record.Record by the names of its keys.
type fields struct {
	ID       string        `json:"id"`
	Timer    int64         `json:"timer"`
	TimerOld int64         `json:"timerold"`
	EntryID  string        `json:"entryid"`
	Seq      int64         `json:"seq"`
	Claimed  bool          `json:"claimed"`
	Until    int64         `json:"until"`
	Lease    int64         `json:"lease"`
	Try      int           `json:"try"`
	Last     record.Result `json:"last"`
	Pause    int64         `json:"pause"`
	Why      string        `json:"why"`
	State    string        `json:"state"`
	Extra    string        `json:"extra"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	for i := range v.Texts {
		if h := v.Texts[i].Hex; h != "" {
			raw, err := hex.DecodeString(h)
			if err != nil {
				t.Fatal(err)
			}
			v.Texts[i].Text = string(raw)
		}
	}
	if len(v.Texts) < 60 || len(v.Sets) < 12 {
		t.Fatalf("only %d texts and %d sets", len(v.Texts), len(v.Sets))
	}
	return v
}

func TestVectors(t *testing.T) {
	for _, v := range readVectors(t).Texts {
		t.Run(v.Name, func(t *testing.T) {
			got, err := record.Parse(v.Text)
			if v.Error != nil {
				var syntax *record.SyntaxError
				if !errors.As(err, &syntax) {
					t.Fatalf("got %+v, %v, want an error at byte %d: %s", got, err, v.Error.Offset, v.Error.Message)
				}
				if syntax.Offset != v.Error.Offset || syntax.Msg != v.Error.Message {
					t.Errorf("got %d: %s, want %d: %s", syntax.Offset, syntax.Msg, v.Error.Offset, v.Error.Message)
				}
				if got != (record.Record{}) {
					t.Errorf("got a record beside the error: %+v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(record.Record(*v.Record), got); diff != "" {
				t.Errorf("record (-want +got)\n%s", diff)
			}
			if got := got.String(); got != v.Canonical {
				t.Errorf("canonical text\ngot  %s\nwant %s", got, v.Canonical)
			}
			again, err := record.Parse(v.Canonical)
			if err != nil || again != got {
				t.Errorf("the canonical text reads as %+v, %v", again, err)
			}
			if !json.Valid([]byte(v.Canonical)) {
				t.Errorf("not JSON: %s", v.Canonical)
			}
		})
	}
}

func TestReadVectors(t *testing.T) {
	for _, v := range readVectors(t).Sets {
		t.Run(v.Name, func(t *testing.T) {
			got := record.Read(v.Texts, v.Now)
			if got.State.String() != v.State {
				t.Errorf("got %v, want %s", got.State, v.State)
			}
			want := record.Record{}
			if v.Record != "" {
				var err error
				if want, err = record.Parse(v.Record); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, got.Record); diff != "" {
				t.Errorf("record (-want +got)\n%s", diff)
			}
			if !slices.Equal(got.Foreign, v.Foreign) {
				t.Errorf("foreign: got %q, want %q", got.Foreign, v.Foreign)
			}
			detail := ""
			if got.Detail != nil {
				detail = got.Detail.Error()
			}
			if detail != v.Detail {
				t.Errorf("detail: got %q, want %q", detail, v.Detail)
			}
		})
	}
}

func TestWith(t *testing.T) {
	next := record.Record{ID: "N", Timer: 3, TimerOld: 2, Seq: 9}
	const nextText = `{"id":"N","timer":3,"timerold":2,"seq":9}`
	for _, c := range []struct {
		name        string
		texts, want []string
	}{
		{"creates", nil, []string{nextText}},
		{"keeps foreign values", []string{"v=spf1 -all", "", "x", `{"id":"A"}`}, []string{"v=spf1 -all", "", "x", nextText}},
		{"makes one of several records", []string{`{"seq":1}`, `{"seq":2}`}, []string{nextText}},
		{"replaces damage", []string{`{"seq":`, `{"seq":2}`}, []string{nextText}},
		{"never replaces a sealed record", []string{"x", "st1.k.A", `{"seq":2}`}, []string{"x", "st1.k.A", `{"seq":2}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := record.Read(c.texts, 0)
			if got := set.With(next); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			// A second use must not see the first one's text.
			other := next
			other.Seq++
			first := set.With(next)
			set.With(other)
			if !slices.Equal(first, c.want) {
				t.Errorf("changed by a later With: %q", first)
			}
		})
	}
}

// The order in which a register gives its values must not matter: two agents
// would go by different records.
func TestReadIgnoresOrder(t *testing.T) {
	texts := []string{
		`{"id":"A","seq":5}`, ` {"id":"A","seq":5}`, `{"id":"B","seq":5}`, `{"seq":`, "v=spf1 -all",
		`{"id":"C","seq":4}`, `{"id":"D","seq":99641903970000}`,
	}
	want := record.Read(texts, 1641903970)
	if want.State != record.Present || want.Record.ID != "B" {
		t.Fatalf("got %v %v", want.State, want.Record)
	}
	for range 100 {
		rand.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		if got := record.Read(texts, 1641903970); got.Record != want.Record {
			t.Fatalf("%q: got %v, want %v", texts, got.Record, want.Record)
		}
	}
}

// drawn is any record that can be written.
func drawn(t *rapid.T) record.Record {
	number := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 1<<53-1))
	text := func(limit int, name string) string {
		return rapid.StringOfN(rapid.Rune().Filter(func(c rune) bool { return c != 0 }), -1, -1, limit).Draw(t, name)
	}
	r := record.Record{
		ID:       rapid.StringMatching(`[A-Z0-9]{0,22}`).Draw(t, "id"),
		Timer:    number.Draw(t, "timer"),
		TimerOld: number.Draw(t, "timerold"),
		EntryID:  text(10, "entryid"),
		Seq:      number.Draw(t, "seq"),
		Claimed:  rapid.Bool().Draw(t, "claimed"),
		Try:      rapid.IntRange(0, 999_999).Draw(t, "try"),
		Last:     rapid.SampledFrom([]record.Result{record.None, record.OK, record.Replaced}).Draw(t, "last"),
		Pause:    rapid.Int64Range(-1, 1<<53-1).Draw(t, "pause"),
		Why:      text(40, "why"),
		State:    text(15, "state"),
		Extra:    rapid.SampledFrom([]string{"", `"x":1`, `"x":"é\n","y":[{}]`}).Draw(t, "extra"),
	}
	if r.Claimed {
		r.Until, r.Lease = number.Draw(t, "until"), number.Draw(t, "lease")
	}
	return r
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawn(t)
		text := r.String()
		got, err := record.Parse(text)
		if err != nil || got != r {
			t.Fatalf("%s\ngot  %+v, %v\nwant %+v", text, got, err, r)
		}
		if err := r.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// What other programs read must be what was meant: the standard library agrees
// on every value.
func TestOthersReadTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawn(t)
		var got fields
		if err := json.Unmarshal([]byte(r.String()), &got); err != nil {
			t.Fatal(err)
		}
		got.Claimed, got.Extra = r.Claimed, r.Extra
		if diff := cmp.Diff(r, record.Record(got)); diff != "" {
			t.Fatalf("%s (-want +got)\n%s", r, diff)
		}
	})
}

func TestCheck(t *testing.T) {
	base := record.Record{ID: "A", Timer: 2, TimerOld: 1}
	for _, c := range []struct {
		name   string
		change func(*record.Record)
		want   string // in the error; "": none
	}{
		{"as it is", func(*record.Record) {}, ""},
		{"lease without a claim", func(r *record.Record) { r.Lease = 15 }, "reads back as something else"},
		{"until without a claim", func(r *record.Record) { r.Until = 15 }, "reads back as something else"},
		{"state too long", func(r *record.Record) { r.State = strings.Repeat("é", 16) }, "state: longer than 94 bytes"},
		{"reason too long", func(r *record.Record) { r.Why = strings.Repeat("w", 41) }, "why: longer than 40 bytes"},
		{"state that is no UTF-8", func(r *record.Record) { r.State = "\xff" }, "reads back as something else"},
		{"state with a NUL", func(r *record.Record) { r.State = "\x00" }, "a NUL in a string"},
		{"negative seq", func(r *record.Record) { r.Seq = -1 }, "seq: not in 0..9007199254740991"},
		{"negative try", func(r *record.Record) { r.Try = -1 }, "try: not in 0..999999"},
		{"extra that is not canonical", func(r *record.Record) { r.Extra = `"x": 1` }, "reads back as something else"},
		{"extra that is a known key", func(r *record.Record) { r.Extra = `"id":"B"` }, `"id" twice`},
		{"extra that is no member", func(r *record.Record) { r.Extra = `x` }, `expected '"'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := base
			c.change(&r)
			switch err := r.Check(); {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A record that Parse accepts must stay writable whatever an agent or an
// operator adds to it, or a stranger's key could stop the job.
func TestEveryRecordCanGrow(t *testing.T) {
	const most = 1<<53 - 1
	r := record.Record{
		ID: strings.Repeat("A", 32), Timer: most, TimerOld: most, EntryID: strings.Repeat("e", 64), Seq: most,
		Claimed: true, Until: most, Lease: most, Try: 999_999, Last: record.Result(strings.Repeat("l", 16)), Pause: most,
		Why: strings.Repeat("\x01", 40), State: strings.Repeat("s", 94), Extra: `"x":"` + strings.Repeat("x", 354) + `"`,
	}
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the longest record has %d bytes", len(r.String()))
	for name, longer := range map[string]func(*record.Record){
		"id": func(r *record.Record) { r.ID += "A" }, "entryid": func(r *record.Record) { r.EntryID += "e" },
		"last": func(r *record.Record) { r.Last += "l" }, "why": func(r *record.Record) { r.Why += "w" },
		"state": func(r *record.Record) { r.State += "s" }, "extra": func(r *record.Record) { r.Extra += `,"y":0` },
	} {
		over := r
		longer(&over)
		if over.Check() == nil {
			t.Errorf("%s could be longer than assumed here", name)
		}
	}
}

// The sizes that docs/protocol.md promises, with its example.
func TestSize(t *testing.T) {
	claim := record.Record{
		ID: "VDNDNQNWQY", Timer: 1641903970, TimerOld: 1641903910, Seq: 1641903910000,
		Claimed: true, Until: 1641903925, Lease: 15, Last: record.OK,
	}
	const example = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903910000,"until":1641903925,"lease":15,"last":"ok"}`
	if claim.String() != example {
		t.Errorf("got %s, want %s", claim, example)
	}
	retry := claim
	retry.Try = 2
	idle := claim
	idle.Claimed, idle.Until, idle.Lease = false, 0, 0
	full := retry
	full.ID, full.Last, full.Pause, full.Why = "BACKUPEUWEST"+claim.ID, record.Replaced, -1, strings.Repeat("w", 40)
	for _, c := range []struct {
		name string
		r    record.Record
		want int
	}{{"claim", claim, 122}, {"second attempt", retry, 130}, {"idle", idle, 92}, {"the most without state", full, 208}} {
		if got := len(c.r.String()); got != c.want || got > 255 {
			t.Errorf("%s: %d bytes, want %d: %s", c.name, got, c.want, c.r)
		}
	}
}

func TestAttempt(t *testing.T) {
	for try, want := range map[int]int{0: 1, 1: 1, 2: 2} {
		if got := (record.Record{Try: try}).Attempt(); got != want {
			t.Errorf("try %d: got %d, want %d", try, got, want)
		}
	}
}

func TestLeaseOr(t *testing.T) {
	const own = 20 * time.Second
	for lease, want := range map[int64]time.Duration{
		0: own, 1: time.Second, 15: 15 * time.Second, 900: 15 * time.Minute, 901: own, 1<<53 - 1: own,
	} {
		if got := (record.Record{Claimed: true, Lease: lease}).LeaseOr(own); got != want {
			t.Errorf("lease %d: got %v, want %v", lease, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f).Texts {
		f.Add(v.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := record.Parse(text)
		record.Read([]string{text}, 1641903970)
		if err != nil {
			var syntax *record.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(text) || syntax.Msg == "" {
				t.Fatalf("an error without a place in the text: %v", err)
			}
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("accepted, but no JSON: %q", text)
		}
		canonical := r.String()
		again, err := record.Parse(canonical)
		if err != nil || again != r {
			t.Fatalf("%q\nreads as %+v,\nits canonical text %q\nas %+v, %v", text, r, canonical, again, err)
		}
		if !json.Valid([]byte(canonical)) {
			t.Fatalf("canonical, but no JSON: %q", canonical)
		}
	})
}

func BenchmarkString(b *testing.B) {
	r := record.Record{
		ID: "VDNDNQNWQY", Timer: 1641903970, TimerOld: 1641903910, Seq: 1641903910000,
		Claimed: true, Until: 1641903925, Lease: 15, Last: record.OK,
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = r.String()
	}
}

func BenchmarkParse(b *testing.B) {
	const text = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903910000,"until":1641903925,"lease":15,"last":"ok"}`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := record.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// TestKeysOfProtocol has the table of docs/protocol.md name every key that a record is
// written with, and no other.
func TestKeysOfProtocol(t *testing.T) {
	text, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## 3. The record\n")
	section, _, _ = strings.Cut(section, "\n## 4.")
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(section, -1) {
		for _, key := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(row[1], -1) {
			told[key[1]] = true
		}
	}
	if !told["sig"] {
		t.Error("it does not tell of sig")
	}
	delete(told, "sig") // which signing adds
	full := record.Record{
		ID: "VDNDNQNWQY", Timer: 2, TimerOld: 1, EntryID: "e", Seq: 1, Claimed: true, Until: 3, Lease: 15, Try: 2,
		Last: record.OK, Pause: -1, Why: "w", State: "s",
	}
	var written map[string]any
	if err := json.Unmarshal([]byte(full.String()), &written); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(told)), slices.Sorted(maps.Keys(written)); !slices.Equal(got, want) {
		t.Errorf("docs/protocol.md tells of %v, and a record has %v", got, want)
	}
}
