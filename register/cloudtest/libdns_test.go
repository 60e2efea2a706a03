package cloudtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"
)

func txts(name string, texts ...string) (records []libdns.Record) {
	for _, text := range texts {
		records = append(records, libdns.TXT{Name: name, TTL: time.Minute, Text: text})
	}
	return records
}

// Both kinds of provider do what libdns says of the four methods.
func TestLibDNS(t *testing.T) {
	const zone = "example.com."
	for _, opt := range []LibDNSOptions{{}, {Sets: true}, {Opaque: true, Page: 1}} {
		s := NewLibDNS(zone, opt)
		c := s.Client(Token)
		ctx := t.Context()
		do := func(_ []libdns.Record, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		want := func(name string, texts ...string) {
			t.Helper()
			if diff := cmp.Diff(texts, s.Texts(name)); diff != "" {
				t.Errorf("%+v: texts at %s (-want +got):\n%s", opt, name, diff)
			}
		}
		do(c.AppendRecords(ctx, zone, txts("a", "1", "2")))
		do(c.AppendRecords(ctx, zone, txts("a", "3")))
		do(c.AppendRecords(ctx, zone, txts("b", "4")))
		want("a", "1", "2", "3")
		do(c.SetRecords(ctx, zone, txts("a", "5", "6")))
		want("a", "5", "6")
		want("b", "4")
		all, err := c.GetRecords(ctx, zone)
		if err != nil || len(all) != 3 {
			t.Fatalf("%+v: records %v, error %v", opt, all, err)
		}
		i := slices.IndexFunc(all, func(r libdns.Record) bool { return r.RR().Data == "5" })
		do(c.DeleteRecords(ctx, zone, all[i:i+1]))
		do(c.DeleteRecords(ctx, zone, all[i:i+1])) // what is not there is ignored
		want("a", "6")
		if diff := cmp.Diff([]string{"a", "b"}, s.Names()); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	}
}

// It refuses what a provider would.
func TestLibDNSRefuses(t *testing.T) {
	s := NewLibDNS("example.com", LibDNSOptions{MinTTL: time.Minute, MaxText: 10, NoQuotes: true})
	for want, write := range map[string]func() error{
		"401": func() error { _, err := s.Client("other").AppendRecords(t.Context(), "example.com.", nil); return err },
		"404": func() error { _, err := s.Client(Token).GetRecords(t.Context(), "example.com"); return err },
		"not relative": func() error {
			_, err := s.Client(Token).AppendRecords(t.Context(), "example.com.", txts("a.example.com", "x"))
			return err
		},
		"label": func() error {
			_, err := s.Client(Token).AppendRecords(t.Context(), "example.com.", txts(strings.Repeat("a", 64), "x"))
			return err
		},
		"octets long": func() error {
			_, err := s.Client(Token).SetRecords(t.Context(), "example.com.", txts("a", "01234567890"))
			return err
		},
		"not allowed": func() error {
			_, err := s.Client(Token).SetRecords(t.Context(), "example.com.", txts("a", `"`))
			return err
		},
		"TTL": func() error {
			_, err := s.Client(Token).SetRecords(t.Context(), "example.com.", []libdns.Record{libdns.TXT{Name: "a", TTL: time.Second, Text: "x"}})
			return err
		},
	} {
		if err := write(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if len(s.Names()) > 0 {
		t.Errorf("names %v, want none", s.Names())
	}
}

// What adds to a record set reads it, and writes it back later: a write in between
// is lost. A record with an id is a thing by itself.
func TestLibDNSLateWrite(t *testing.T) {
	for _, sets := range []bool{false, true} {
		s := NewLibDNS("example.com", LibDNSOptions{Sets: sets})
		c := s.Client(Token)
		if _, err := c.AppendRecords(t.Context(), "example.com.", txts("a", "old")); err != nil {
			t.Fatal(err)
		}
		late := s.Client(Token)
		late.OnWrites(Late)
		if _, err := late.AppendRecords(t.Context(), "example.com.", txts("a", "late")); err == nil {
			t.Error("a late write was acknowledged")
		}
		if _, err := c.AppendRecords(t.Context(), "example.com.", txts("a", "new")); err != nil {
			t.Fatal(err)
		}
		s.Land()
		want := []string{"late", "new", "old"}
		if sets {
			want = []string{"late", "old"}
		}
		if diff := cmp.Diff(want, s.Texts("a")); diff != "" {
			t.Errorf("sets %v (-want +got):\n%s", sets, diff)
		}
	}
}
