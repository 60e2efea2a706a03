package cloudflare

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

// together has one client load several names at once; the server takes its time, so
// that all but the first go together.
func together(t *testing.T, fake *cloudtest.Cloudflare, client *Client, names ...string) map[string]register.Snapshot {
	t.Helper()
	fake.Delay(20 * time.Millisecond)
	defer fake.Delay(0)
	got := make(map[string]register.Snapshot)
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for _, name := range names {
		r := at(t, client, name)
		wg.Go(func() {
			<-begin
			s, err := r.Load(t.Context())
			if err != nil {
				t.Errorf("load %s: %v", name, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got[name] = s
		})
	}
	close(begin)
	wg.Wait()
	return got
}

func fill(t *testing.T, fake *cloudtest.Cloudflare, n int) (names []string) {
	t.Helper()
	client := newTest(t, config(fake))
	for i := range n {
		name := fmt.Sprintf("job%02d.%s", i, zoneName)
		swap(t, at(t, client, name), register.Snapshot{}, name)
		names = append(names, name)
	}
	return names
}

func TestLoadsShareAList(t *testing.T) {
	fake, _ := start(t)
	names := fill(t, fake, 20)
	client := newTest(t, config(fake))
	load(t, at(t, client, names[0]))
	before := client.Requests()
	for name, s := range together(t, fake, client, names...) {
		if !slices.Equal(s.Texts, []string{name}) {
			t.Errorf("at %s is %q", name, s.Texts)
		}
	}
	if n := client.Requests() - before; n > 10 {
		t.Errorf("%d requests for 20 names", n)
	}
	// What was read in one list is as good as what was read alone.
	s := together(t, fake, client, names...)[names[7]]
	swap(t, at(t, client, names[7]), s, "next")
}

// TestPages: a zone that does not go into one page is read name by name, and a name
// with more records than a page has page by page.
func TestPages(t *testing.T) {
	fake, zone := start(t)
	names := fill(t, fake, 12)
	fake.PageSize(5)
	client := newTest(t, config(fake))
	for range 2 {
		for name, s := range together(t, fake, client, names...) {
			if !slices.Equal(s.Texts, []string{name}) {
				t.Errorf("at %s is %q", name, s.Texts)
			}
		}
	}
	if !client.large.Load() {
		t.Error("no list was too large: this tests nothing")
	}
	for i := range 20 {
		fake.Put(zone, "TXT", names[0], fmt.Sprintf(`"value %d"`, i))
	}
	if s := load(t, at(t, client, names[0])); len(s.Texts) != 21 {
		t.Errorf("%d texts, want 21", len(s.Texts))
	}
}

// TestAMovingList: a record that comes between two pages must hide none.
func TestAMovingList(t *testing.T) {
	fake, zone := start(t)
	for i := range 12 {
		fake.Put(zone, "TXT", name, fmt.Sprintf(`"value %d"`, i))
	}
	fake.PageSize(5)
	moves := 1
	fake.BetweenPages(func() {
		if moves--; moves >= 0 {
			fake.Put(zone, "TXT", "a."+name, `"before all others"`)
		}
	})
	r := open(t, config(fake), name)
	if s := load(t, r); len(s.Texts) != 12 {
		t.Errorf("%d texts, want 12", len(s.Texts))
	}
	moves = 1 << 30
	if _, err := r.Load(t.Context()); !errors.Is(err, errMoved) || !strings.Contains(err.Error(), name) {
		t.Errorf("error %v, want that the records changed while they were listed", err)
	}
}

// TestALoadNeverMixesVersions has the texts of one version and the guard of another
// never in one Snapshot: a swap of it would be refused, or without A worse.
func TestALoadNeverMixesVersions(t *testing.T) {
	fake, zone := start(t)
	names := fill(t, fake, 8)
	client := newTest(t, config(fake))
	writer := newTest(t, config(fake))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	versions := make(map[string]bool)
	var mu sync.Mutex
	begun := make(map[string]register.Snapshot)
	for _, name := range names {
		begun[name] = load(t, at(t, writer, name))
		versions[begun[name].Tag] = true
	}
	for name, s := range begun {
		r := at(t, writer, name)
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				next, err := r.Swap(t.Context(), s, []string{fmt.Sprint(i)})
				if err != nil {
					t.Errorf("swap %s: %v", name, err)
					return
				}
				s = next
				mu.Lock()
				versions[s.Tag] = true
				mu.Unlock()
			}
		})
	}
	var seen []string
	for range 20 {
		for _, s := range together(t, fake, client, names...) {
			seen = append(seen, s.Tag)
		}
	}
	close(stop)
	wg.Wait()
	for _, tag := range seen {
		if !versions[tag] {
			t.Errorf("a Load has shown a version that never was: %s", tag)
		}
	}
	if n := len(fake.Records(zone, "")); n != 16 {
		t.Errorf("%d records, want 16", n)
	}
}
