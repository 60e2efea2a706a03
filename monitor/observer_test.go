package monitor

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/record"
)

// observe runs an observer for a while and returns when it looked at each record,
// since its start.
func observe(t *testing.T, o *Observer, n int, d time.Duration, is func(Target) (record.Record, error)) map[string][]time.Duration {
	t.Helper()
	began := time.Now()
	looks := map[string][]time.Duration{}
	var mu sync.Mutex
	if o.History == nil {
		o.History = NewHistory(Limits{})
	}
	o.History.Watch(named(t, n)...)
	o.see = func(ctx context.Context, target Target, all bool) Sight {
		if all != (n <= few) {
			t.Errorf("of %d records all servers are asked: %v", n, all)
		}
		mu.Lock()
		looks[target.Name] = append(looks[target.Name], time.Since(began))
		mu.Unlock()
		time.Sleep(30 * time.Millisecond) // the way to the server
		r, err := is(target)
		if err != nil {
			return sightOf(target, time.Now(), nil, nil, err)
		}
		return sight(target, time.Now(), r.String())
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := o.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return looks
}

// TestEvenly has many records looked at that all fall due together.
func TestEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, minutes = 1_200, 5
		o := &Observer{Rate: 24}
		looks := observe(t, o, n, minutes*time.Minute, func(Target) (record.Record, error) {
			now := time.Now().Unix()
			return record.Record{ID: agentA, Timer: now - now%60 + 60, TimerOld: now - now%60, Seq: (now - now%60) * 1000, Last: record.OK}, nil
		})
		if len(looks) != n {
			t.Fatalf("%d records of %d were looked at", len(looks), n)
		}
		perSecond := make([]int, 60*minutes)
		for name, all := range looks {
			if len(all) < minutes-1 || len(all) > minutes+1 {
				t.Fatalf("%s: looked at %v", name, all)
			}
			for i, at := range all {
				perSecond[min(int(at/time.Second), len(perSecond)-1)]++ // the last look may be in the moment of the end
				if apart := at - all[max(i-1, 0)]; i > 1 && (apart < 59*time.Second || apart > 61*time.Second) {
					t.Fatalf("%s: looked at %v", name, all)
				}
			}
		}
		for sec, count := range perSecond[60 : 60*minutes-1] {
			if count < 17 || count > 24 {
				t.Errorf("%d looks in second %d: want about %d", count, 60+sec, n/60)
			}
		}
		if ok, failed := o.Questions(); ok < n*(minutes-1) || failed > 0 {
			t.Errorf("%d answered, %d not", ok, failed)
		}
		if turns, complete := o.Alive(time.Now()); !turns || !complete {
			t.Error("not alive, or not complete")
		}
	})
}

// TestSoon has few records looked at again as soon as something is due.
func TestSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tick := time.Now().Add(33 * time.Second).Unix()
		o := &Observer{Every: time.Minute}
		looks := observe(t, o, 1, 2*time.Minute, func(Target) (record.Record, error) {
			switch now := time.Now().Unix(); {
			case now < tick:
				return record.Record{ID: agentA, Timer: tick, TimerOld: tick - 3600, Seq: (tick - 3600) * 1000, Last: record.OK}, nil
			case now < tick+7:
				return record.Record{ID: agentA, Timer: tick + 3600, TimerOld: tick, Seq: tick * 1000, Claimed: true, Until: tick + 15, Lease: 15, Last: record.OK}, nil
			}
			return record.Record{ID: agentA, Timer: tick + 3600, TimerOld: tick, Seq: (tick + 7) * 1000, Last: record.OK}, nil
		})["job000.example.com"]
		if len(looks) < 6 || looks[1] < 33*time.Second || looks[1] > 34*time.Second || looks[len(looks)-1] < time.Minute {
			t.Errorf("looked at %v", looks)
		}
		runs := o.History.Runs("job000.example.com", 0, latest)
		if r := runs[len(runs)-1]; len(runs) != 2 || r.Began != tick || r.Ended != tick+7 || r.Result != record.OK {
			t.Errorf("%+v", runs)
		}
	})
}

// TestComeAndGo has records added and dropped while the observer runs, and servers
// that do not answer.
func TestComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := named(t, 3)
		o := &Observer{Every: 10 * time.Second}
		o.History = NewHistory(Limits{})
		go func() {
			time.Sleep(30 * time.Second)
			o.History.Forget(all[0].Name)
			o.History.Watch(Target{Name: "new.example.com"})
		}()
		looks := observe(t, o, 2, time.Minute, func(Target) (record.Record, error) { return record.Record{}, errors.New("no answer in time") })
		if n := len(looks[all[0].Name]); n < 3 || n > 5 {
			t.Errorf("a record that was dropped after 30 s was looked at %d times", n)
		}
		if n := len(looks["new.example.com"]); n < 2 || n > 4 {
			t.Errorf("a record that was added after 30 s was looked at %d times", n)
		}
		if ok, failed := o.Questions(); ok > 0 || failed < 10 {
			t.Errorf("%d answered, %d not", ok, failed)
		}
	})
}
