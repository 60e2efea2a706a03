package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/rfc2136"
)

// An edit makes the record to write from what the register holds. now is the
// register's time. errNothingToDo ends the change without a write.
type edit func(set record.Set, now time.Time) (record.Record, error)

var errNothingToDo = errors.New("nothing to do")

// A changed is what became of an edit.
type changed struct {
	before, after record.Record
	now           time.Time // the register's
	unread        bool      // what was there is sealed, and was not opened
}

// Bounds of one change by hand.
const (
	changeTries = 8                // swaps that met a conflict
	changeTime  = 20 * time.Second // in all
	settleTime  = 8 * time.Second  // to find out what became of a swap without an answer
)

// change loads the record, edits it and swaps it. After a conflict it begins
// again: agents write, too. It is never sent twice while its outcome is open.
func (s site) change(ctx context.Context, do edit) (changed, error) {
	reg, name := s.register, s.name
	ctx, cancel := context.WithTimeout(ctx, changeTime+2*s.policy.SwapTime+s.patience)
	defer cancel()
	for try := range changeTries {
		if try > 0 {
			select {
			case <-time.After(100 * time.Millisecond << min(try, 5)):
			case <-ctx.Done():
			}
		}
		snap, err := reg.Load(ctx)
		if err != nil {
			return changed{}, registerFailure(err, "nothing was changed")
		}
		now := snap.Time
		if now.IsZero() {
			now = time.Now()
		}
		set := record.ReadAs(s.form, snap.Texts, now.Unix())
		if set.State == record.Unopenable && !s.force {
			return changed{}, sealedFailure(name, set.Detail)
		}
		next, err := do(set, now)
		if err != nil {
			return changed{set.Record, set.Record, now, false}, err
		}
		if err := next.Check(); err != nil {
			return changed{}, &failure{code: exitFailed, err: fmt.Errorf("what would be written at %s is no record: %w", name, err), means: "nothing was changed"}
		}
		texts := set.With(next)
		if s.force {
			texts = set.Replace(next)
		}
		_, err = reg.Swap(ctx, snap, texts)
		if errors.Is(err, register.ErrUncertain) {
			err = settle(ctx, reg, name, snap, texts, err)
		}
		switch {
		case err == nil:
			return changed{set.Record, next, now, set.State == record.Unopenable}, nil
		case errors.Is(err, register.ErrConflict):
		default:
			return changed{}, registerFailure(err, "nothing was changed")
		}
	}
	return changed{}, &failure{
		code: exitTryAgain, err: fmt.Errorf("the record at %s changed %d times while this was being written", name, changeTries),
		means: "nothing was changed; the agents go on as before", do: "try again; if it stays so, solotick doctor",
	}
}

// sealedFailure is about a record that does not open.
func sealedFailure(name string, detail error) error {
	return &failure{
		code: exitRefused, err: fmt.Errorf("the record at %s: %w", name, detail), means: "nothing was changed",
		do: "use the file of an agent of this job, which has the key; if it is lost: solotick record reset --lost-key " + name,
	}
}

// settle finds out what became of a swap whose outcome is open: nil for done. It
// does not send again, and if something else is there by now, an agent may have
// written it on top of what was sent: only a person can tell what to do.
func settle(ctx context.Context, reg register.Register, name string, old register.Snapshot, texts []string, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		snap, err := reg.Load(ctx)
		switch {
		case err == nil && equalSets(snap.Texts, texts):
			return nil
		case err == nil && !equalSets(snap.Texts, old.Texts):
			return &failure{
				code: exitTryAgain, err: fmt.Errorf("it is not known whether %s was changed before an agent wrote there: %w", name, cause),
				means: "the agents go on by what the record says now",
				do:    "look, and try again if need be: solotick record get " + name,
			}
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			if err == nil && errors.Is(cause, rfc2136.ErrIgnored) {
				return registerFailure(cause, "nothing was changed, as far as the server shows")
			}
			f := &failure{
				code: exitTryAgain, err: fmt.Errorf("it is not known whether %s was changed: %w", name, cause),
				means: "a late copy of this change may still arrive; the agents go on by whatever the record says",
				do:    "look in a minute, and only then try again: solotick record get " + name,
			}
			if err != nil {
				f.err = fmt.Errorf("%w\nand the register could not be asked: %w", f.err, err)
			}
			return f
		}
	}
}

// equalSets tells whether two sets hold the same texts.
func equalSets(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// registerFailure gives an error of a register its exit code and the rest of
// the sentence. The error itself says which server, which name and why.
func registerFailure(err error, means string) error {
	var known *failure
	if errors.As(err, &known) {
		return err
	}
	f := &failure{code: exitUnreachable, err: err, means: means, do: "see whether this machine reaches the provider's API by HTTPS, and what the provider says of its state"}
	switch text := err.Error(); {
	case strings.Contains(text, "rfc2136: "):
		f.do = "see whether the server is up, and its port open for TCP from here: dig +tcp SOA ZONE @SERVER"
	case strings.Contains(text, "command: "):
		f.do = "ask the program or the endpoint by hand, and look at what comes back: solotick doctor shows the request"
	}
	var refusal *rfc2136.Refusal
	var problem *register.Problem
	switch {
	case errors.As(err, &problem):
		f.code, f.do = exitRefused, problem.Do
		switch {
		case problem.Config:
			f.code = exitConfig
		case errors.Is(err, register.ErrThrottled):
			f.code = exitTryAgain
		}
	case errors.As(err, &refusal):
		f.code, f.do = remedy(refusal.Fault)
		if refusal.Fault == rfc2136.FaultKey && refusal.Code != "BADKEY" && refusal.Code != "BADSIG" { // it may be the clock as well
			f.do = strings.Replace(f.do, "and secret", "and secret, and the clocks (chronyc tracking)", 1)
		}
	case errors.Is(err, rfc2136.ErrIgnored):
		f.code, f.do = remedy(rfc2136.FaultGrant)
	case errors.Is(err, register.ErrRefused):
		f.code, f.do = exitRefused, "solotick doctor tries each step by itself"
	case errors.Is(err, register.ErrConflict), errors.Is(err, register.ErrUncertain):
		f.code, f.do = exitTryAgain, "look, then try again: solotick status"
	case errors.Is(err, context.Canceled):
		f.code, f.do = exitTryAgain, ""
	case errors.Is(err, register.ErrThrottled):
		f.code, f.do = exitTryAgain, "the account's limit is used up, by all programs together: wait a while, and if it stays so, lower dns.rate in the file"
	}
	return f
}

// remedy is what helps against a fault, and the exit code, which tells whether
// it is for the server's administrator (refused) or for the file.
func remedy(fault rfc2136.Fault) (int, string) {
	switch fault {
	case rfc2136.FaultKey:
		return exitRefused, "compare the key on both sides, by name, algorithm and secret; what a server has to be told: solotick keygen tsig --help"
	case rfc2136.FaultClock:
		return exitRefused, "chronyc tracking, on both machines"
	case rfc2136.FaultZone:
		return exitConfig, "the zone's primary server, for dns.server, is the first word of: dig +short SOA ZONE"
	case rfc2136.FaultGrant:
		return exitRefused, "what the server has to grant, for BIND, Knot and PowerDNS: solotick keygen tsig RECORD"
	case rfc2136.FaultName:
		return exitConfig, "give the job a name of its own in the file: record: NAME"
	case rfc2136.FaultUpdate:
		return exitRefused, "enable signed dynamic updates there, or use a server that has them: solotick zone serve --help"
	}
	return exitRefused, "solotick doctor tries each step by itself"
}
