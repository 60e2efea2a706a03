package ballot

import (
	"context"
	"strings"
	"testing"

	"github.com/solotick/solotick/register/cloudtest"
)

// TestForget: nothing stays of a record that was only tried, and everything of
// others does.
func TestForget(t *testing.T) {
	service := cloudtest.NewLibDNS(testZone, cloudtest.LibDNSOptions{})
	const tried, other = "tried." + testZone, "other." + testZone
	module := service.Client(cloudtest.Token)
	c, err := New(config(module, Traits{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{tried, other} {
		for range 2 { // two processes
			r := client(t, config(service.Client(cloudtest.Token), Traits{}), name)
			s, err := r.Load(t.Context())
			if err == nil {
				_, err = r.Swap(t.Context(), s, []string{"text " + name})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	r := client(t, config(service.Client(cloudtest.Token), Traits{}), tried)
	if s, err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	} else if _, err = r.Swap(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	before := kept(t, module, other)
	for range 2 { // also where there is nothing any more
		if err := c.Forget(t.Context(), tried); err != nil {
			t.Fatal(err)
		}
		if left := kept(t, module, tried); left != 0 {
			t.Errorf("%d records are left", left)
		}
	}
	if after := kept(t, module, other); before == 0 || after != before {
		t.Errorf("another record had %d, and has %d", before, after)
	}
	module.SetDown(true)
	if err := c.Forget(t.Context(), tried); err == nil || !strings.Contains(err.Error(), "ballot: forget "+tried) {
		t.Errorf("error %v", err)
	}
	if err := c.Forget(t.Context(), "elsewhere.example.org"); err == nil {
		t.Error("a name of another zone")
	}
}

// kept is how many records there are at a name and below.
func kept(t *testing.T, module Provider, name string) (n int) {
	t.Helper()
	all, err := module.GetRecords(context.WithoutCancel(t.Context()), testZone+".")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if full := r.RR().Name + "." + testZone; full == name || strings.HasSuffix(full, "."+name) {
			n++
		}
	}
	return n
}
