package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/solotick/solotick/register"
)

// raceSwaps has several clients swap one record at the same time, round after
// round.
func (r *run) raceSwaps(ctx context.Context) error {
	race, err := r.rounds(ctx, r.opt.Swaps, func() error { return nil })
	r.report.Swaps = race
	if err != nil {
		return err
	}
	r.tellRace(checkSwaps, "swap", race)
	return nil
}

// raceCreates is raceSwaps with a record that is not there.
func (r *run) raceCreates(ctx context.Context) error {
	race, err := r.rounds(ctx, r.opt.Creates, func() error { return r.step(ctx) })
	r.report.Creates = race
	if err != nil {
		return err
	}
	r.tellRace(checkCreates, "create", race)
	return nil
}

// rounds holds so many rounds. One that is not held because the service wants
// fewer requests is held again later.
func (r *run) rounds(ctx context.Context, n int, prepare func() error) (*Race, error) {
	race := &Race{Racers: r.opt.Racers}
	for len(r.racers) < race.Racers {
		racer, err := r.subject.Open(r.subject.Name)
		if err != nil {
			return race, err
		}
		r.racers = append(r.racers, racer)
	}
	var took []time.Duration
	wait := newWait(2 * patience)
	for race.Rounds < n {
		if err := prepare(); err != nil {
			return race, err
		}
		runners := r.start(ctx, race.Rounds)
		before := race.NotHeld
		if err := r.judge(ctx, race, runners); err != nil {
			return race, err
		}
		if race.NotHeld > before && wait.more(ctx) {
			race.NotHeld = before
			continue
		}
		race.Rounds++
		for _, one := range runners {
			if kindOf(one.err) != notSent {
				took = append(took, one.took)
			}
		}
		race.P50, race.Max = spread(took)
	}
	return race, nil
}

// A runner is one client of one round.
type runner struct {
	text  string
	after register.Snapshot
	err   error
	took  time.Duration
}

// start lets all clients swap what the record holds. In every other round they
// start within the time of a swap and not at once, so that some meet another's
// swap half way.
func (r *run) start(ctx context.Context, round int) []runner {
	r.pace(ctx, r.opt.Racers)
	runners := make([]runner, r.opt.Racers)
	usual, _ := spread(r.took)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range runners {
		one, racer := &runners[i], r.racers[i]
		one.text = r.text()
		delay := time.Duration(0)
		if round%2 == 1 {
			delay = rand.N(time.Duration(usual) + 1)
		}
		wg.Go(func() {
			<-start
			pause(ctx, delay)
			ctx, cancel := context.WithTimeout(ctx, r.limit())
			defer cancel()
			began := time.Now()
			one.after, one.err = racer.Swap(ctx, r.at, []string{one.text})
			one.took = time.Since(began)
		})
	}
	close(start)
	wg.Wait()
	return runners
}

// judge finds out what became of a round, and what the record holds now.
func (r *run) judge(ctx context.Context, race *Race, runners []runner) error {
	count := map[kind]int{}
	var winner *runner
	for i := range runners {
		one := &runners[i]
		k := kindOf(one.err)
		count[k]++
		switch k {
		case done:
			winner = one
		case refused:
			return one.err
		case notSent:
			r.usage.failed(r.subject, one.err)
		case unknown:
			r.unsure = true
			defer r.mayLate(r.at, one.text)
		}
	}
	if ctx.Err() != nil {
		r.unsure = true
		return ctx.Err()
	}
	race.Conflicts += count[conflict]
	race.Uncertain += count[unknown]
	race.NotSent += count[notSent]
	took := len(runners) - count[notSent]
	switch {
	case count[done] > 1:
		race.SeveralWinners++
		r.may([]string{winner.text})
		return r.reload(ctx)
	case count[done] == 1:
		return r.judgeWinner(ctx, race, winner, runners, took)
	case count[unknown] > 0:
		return r.judgeUnknown(ctx, race, runners, count[conflict] > 0)
	}
	return r.judgeNobody(ctx, race, runners, count[conflict] > 0)
}

// judgeWinner sees whether the record holds what its only winner wrote.
func (r *run) judgeWinner(ctx context.Context, race *Race, winner *runner, runners []runner, took int) error {
	want := []string{winner.text}
	r.may(want)
	s, err := r.shown(ctx, want)
	if err != nil {
		return err
	}
	switch {
	case same(s.Texts, want) && took < 2:
		race.NotHeld++
	case same(s.Texts, want):
		race.OneWinner++
	case ranAndHolds(s, runners) != nil:
		race.SeveralWinners++ // the winner's was applied, and another's over it
	default:
		race.Vanished++
	}
	r.at = winner.after
	if !same(winner.after.Texts, want) {
		r.reads.OddResults++
	}
	if !same(s.Texts, want) || !same(winner.after.Texts, want) {
		return r.reload(ctx)
	}
	return nil
}

// judgeUnknown settles what is uncertain: another swap of the same record can be
// applied only if none of theirs was, and none of theirs once it is.
func (r *run) judgeUnknown(ctx context.Context, race *Race, runners []runner, conflicts bool) error {
	fence := []string{r.text()}
	var err error
	for wait := newWait(patience); ; {
		var after register.Snapshot
		after, err = r.swap(ctx, r.own, r.at, fence)
		k := kindOf(err)
		if k == done {
			r.at = after
			if conflicts {
				race.NoWinner++
			} else {
				race.NotHeld++
			}
			return nil
		}
		if k == refused || ctx.Err() != nil {
			return err
		}
		if k == conflict {
			break
		}
		if !wait.more(ctx) {
			return err
		}
	}
	before := r.at.Texts
	if err := r.reload(ctx); err != nil {
		return err
	}
	switch one := ranAndHolds(r.at, runners); {
	case one != nil && kindOf(one.err) == unknown:
		race.OneWinner++
		race.UncertainApplied++
	case one != nil:
		race.Denied++
	case same(r.at.Texts, fence): // an earlier copy of it was applied
		race.NotHeld++
	case r.cameLate(r.at):
		race.NotHeld++
	case same(r.at.Texts, before):
		race.NoWinner++
	default:
		race.Vanished++
	}
	return nil
}

// mayLate notes a text that the register may hold now or later. A create that is on
// its way may land after a later removal, since nothing is like nothing.
func (r *run) mayLate(old register.Snapshot, text string) {
	r.may([]string{text})
	if len(old.Texts) == 0 {
		r.late[text] = true
	}
}

// cameLate says whether a record holds a create of an earlier round.
func (r *run) cameLate(s register.Snapshot) bool { return len(s.Texts) == 1 && r.late[s.Texts[0]] }

// judgeNobody is for a round without a winner and without doubt.
func (r *run) judgeNobody(ctx context.Context, race *Race, runners []runner, conflicts bool) error {
	if err := r.reload(ctx); err != nil {
		return err
	}
	switch one := ranAndHolds(r.at, runners); {
	case one != nil:
		r.may([]string{one.text})
		race.Denied++
	case r.cameLate(r.at):
		race.NotHeld++
	case conflicts:
		race.NoWinner++
	default:
		race.NotHeld++
	}
	return nil
}

// ranAndHolds is the client whose text a record holds.
func ranAndHolds(s register.Snapshot, runners []runner) *runner {
	i := slices.IndexFunc(runners, func(one runner) bool { return slices.Contains(s.Texts, one.text) })
	if i < 0 {
		return nil
	}
	return &runners[i]
}

func (r *run) tellRace(check, verb string, race *Race) {
	n := race.Rounds
	rounds := fmt.Sprintf("%d round%s of %d clients", n, map[bool]string{false: "s"}[n == 1], race.Racers)
	settled := fmt.Sprintf("%d conflicts", race.Conflicts)
	if race.Uncertain > 0 {
		settled += fmt.Sprintf(", %d uncertain of which %d were applied", race.Uncertain, race.UncertainApplied)
	}
	if race.NotSent > 0 {
		settled += fmt.Sprintf(", %d not sent", race.NotSent)
	}
	switch {
	case race.SeveralWinners > 0:
		r.tell(check, Failed, doCompare, "in %d of %s two or more %ss of one record succeeded: as many agents would run one tick", race.SeveralWinners, rounds, verb)
	case race.Denied > 0:
		r.tell(check, Failed, "", "in %d of %s a %s was applied, and its client was told that it was not: nobody would run that tick before its claim lapses", race.Denied, rounds, verb)
	case race.Vanished > 0:
		r.tell(check, Failed, doOneServer, "in %d of %s the %s that was acknowledged was not to be found afterwards", race.Vanished, rounds, verb)
	case race.NoWinner > 0:
		r.tell(check, Failed, doOneServer, "in %d of %s nobody won: no two agents would run one tick, but it would be late, or nobody would", race.NoWinner, rounds)
	case race.OneWinner == 0:
		r.tell(check, Failed, "try again when nothing else uses the account", "none of %s could be held: %s", rounds, settled)
	case race.NotHeld > 0:
		r.tell(check, Advice, "try again when nothing else uses the account", "%d of %s could not be held; one winner in each of the others; %s", race.NotHeld, rounds, settled)
	default:
		r.tell(check, Passed, "", "%s, one winner in each; %s; a %s usually takes %s, at most %s", rounds, settled, verb, race.P50, race.Max)
	}
}
