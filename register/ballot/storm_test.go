package ballot

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

// Processes add words to one text, while writes and lists are lost, fail after they
// were done, and land late. In the end every word that was told to be added is in
// the text once, and none that was told not to be.
func TestStorm(t *testing.T) {
	total := map[string]int{}
	for kind, k := range kinds {
		t.Run(kind, func(t *testing.T) {
			seed := rand.Uint64()
			b := newBench(t, k.opt, k.traits)
			var mu sync.Mutex
			told := map[string]string{}
			var wg sync.WaitGroup
			for p := range 5 {
				rnd := rand.New(rand.NewPCG(seed, uint64(p)))
				wg.Go(func() {
					var r register.Register
					var module *cloudtest.LibDNSClient
					for i := range 25 {
						if r == nil || rnd.IntN(8) == 0 { // the process before is gone
							r, module = b.process()
						}
						module.OnWrites(faults(rnd, 8)...)
						module.OnReads(faults(rnd, 4)...)
						if rnd.IntN(4) == 0 {
							b.service.Land()
						}
						s, err := r.Load(b.Context())
						if err != nil {
							continue
						}
						word := fmt.Sprintf("%d.%d", p, i)
						_, err = r.Swap(b.Context(), s, []string{strings.TrimSpace(strings.Join(s.Texts, "") + " " + word)})
						mu.Lock()
						told[word] = outcomeOf(err)
						mu.Unlock()
						time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond) // so that not all are in each other's way
					}
				})
			}
			wg.Wait()
			b.service.Land()
			r, _ := b.process()
			words := strings.Fields(strings.Join(b.load(r).Texts, ""))
			held := map[string]int{}
			for _, word := range words {
				held[word]++
			}
			count := map[string]int{}
			for word, how := range told {
				count[how]++
				total[how]++
				if n := held[word]; n > 1 || how == "done" && n == 0 || (how == "conflict" || how == "not applied") && n > 0 {
					t.Errorf("%s was told %s, and is there %d times", word, how, n)
				}
			}
			t.Logf("%v, %d words, %d records", count, len(words), len(b.labels()))
			if t.Failed() {
				t.Logf("seed %d: %v", seed, words)
			}
		})
	}
	for _, how := range []string{"done", "conflict", "uncertain", "not applied"} {
		if total[how] == 0 {
			t.Errorf("no swap was told %s: it tests nothing", how)
		}
	}
}

// faults are those of the next few requests, of which one in n goes wrong.
func faults(rnd *rand.Rand, n int) []cloudtest.Fault {
	bad := []cloudtest.Fault{cloudtest.LoseReply, cloudtest.LoseRequest, cloudtest.Late, cloudtest.DoneError, cloudtest.ServerError, cloudtest.Throttle}
	script := make([]cloudtest.Fault, n)
	for i := range script {
		if rnd.IntN(3*n) == 0 {
			script[i] = bad[rnd.IntN(len(bad))]
		}
	}
	return script
}
