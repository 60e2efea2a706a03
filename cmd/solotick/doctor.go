package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/rfc2136"
	"github.com/solotick/solotick/seal"
)

// doctorMark begins every value that the doctor writes. It is no record, so
// agents keep it and do not care.
const doctorMark = "solotick-doctor "

// A verdict is how one check went.
type verdict string

const (
	passed  verdict = "ok"
	advice  verdict = "advice"
	failed  verdict = "failed"
	skipped verdict = "skipped"
)

// A finding is one check with its result.
type finding struct {
	Job   string  `json:"job,omitempty"`
	Check string  `json:"check"`
	Is    verdict `json:"result"`
	Text  string  `json:"text"`
	Do    string  `json:"to_do,omitempty"`
}

type doctorDoc struct {
	Schema string    `json:"schema"`
	OK     bool      `json:"ok"`
	Checks []finding `json:"checks"`
}

// A doctor examines one file.
type doctor struct {
	app    *app
	svc    *service
	file   string // as the user named it
	asJSON bool
	found  []finding
	code   int  // of the first failure
	unwell bool // by what the provider's client has found
	ring   *seal.Ring
	used   map[string]bool // the ids of keys that records are sealed with
	zone   lookup.Zone     // as the primary has it; zero: not known
	others []lookup.Server // that show it too, and are as far
}

func (a *app) doctorCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use: "doctor [JOB...]", Short: "Try whether this machine can take part: read, write, swap, tell the time",
		Long: `Try whether an agent on this machine can take part in the jobs of the file: read their
records, write them, be refused when a write is stale, see its writes through DNS,
tell the time; and whether the other servers of the zone show the same. It writes to a
scratch record below the job's, and one more value beside the job's record, which
agents ignore; both are removed again. What each check tries stands in docs/guide.md,
"What doctor checks". The exit code is 0 if an agent can work, also where there is
advice, and 75 if a run in progress kept it from being tried.`,
		Example: "  solotick doctor -c solotick.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return a.doctor(ctx, file, args, asJSON)
		},
	}
	a.fileFlag(c, &file)
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) doctor(ctx context.Context, file string, names []string, asJSON bool) error {
	c, err := a.loadConfig(file)
	if err != nil {
		return err
	}
	d := &doctor{app: a, file: file, asJSON: asJSON, ring: &c.Ring, used: map[string]bool{}}
	if d.svc, err = openService(c.DNS); err != nil {
		return err
	}
	d.configuration(c)
	all := *c
	all.Jobs = append(c.Jobs[:len(c.Jobs):len(c.Jobs)], d.elsewhere(ctx, c)...)
	sites, err := findSites(&all, names)
	if err != nil {
		return err
	}
	d.notifiers(ctx, c)
	d.provider(ctx, sites)
	d.servers(ctx)
	for _, s := range sites {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.register, err = d.svc.register(s.name); err != nil {
			return err
		}
		d.examine(ctx, s)
	}
	if len(names) == 0 {
		d.unused()
	}
	if d.unwell {
		d.failed(exitRefused) // unless something that followed from it says more
	}
	if asJSON {
		if err := a.json(doctorDoc{"solotick.doctor/v1", d.code == exitOK, d.found}); err != nil {
			return err
		}
	}
	return exit(d.code)
}

// tell notes a finding and shows it.
func (d *doctor) tell(job, check string, is verdict, do, format string, args ...any) {
	f := finding{job, check, is, fmt.Sprintf(format, args...), do}
	d.found = append(d.found, f)
	if !d.asJSON {
		d.app.sayFinding(f)
	}
}

// fail notes a failed check with the cause that the error gives.
func (d *doctor) fail(job, check string, err error) {
	var f *failure
	errors.As(registerFailure(err, ""), &f)
	d.failed(f.code)
	d.tell(job, check, failed, f.do, "%v", f.err)
}

// failed keeps the code of the first failure.
func (d *doctor) failed(code int) {
	if d.code == exitOK {
		d.code = code
	}
}

func (d *doctor) configuration(c *config.Config) {
	d.tell("", "config", passed, "", "%d job%s, hash %s", len(c.Jobs), plural(len(c.Jobs)), c.Hash[:12])
	d.tell("", "register", passed, "", "%s", d.svc)
	d.tried()
	if d.svc.warning != "" {
		d.tell("", "key file", advice, "", "%s", d.svc.warning) // it says what to do
	}
	if path, err := d.app.configPath(d.file); err == nil {
		for _, w := range openFiles(secretFiles(path)) {
			d.tell("", "secrets", advice, "", "%s", w) // so does this
		}
	}
	d.keys(c)
}

// examine goes through the checks of one job and ends at the first that makes
// the following ones pointless.
func (d *doctor) examine(ctx context.Context, s site) {
	if !d.asJSON {
		d.app.sayf("\n%s (%s)\n", s, s.name)
	}
	snap, ok := d.read(ctx, s)
	if !ok {
		return
	}
	d.clock(s, snap)
	set := record.ReadAs(s.form, snap.Texts, snap.Time.Unix())
	if !d.name(ctx, s, set) || !d.protection(s, set) {
		return
	}
	where := d.scratch(ctx, s)
	if where == nil || !d.quiet(ctx, s) {
		return
	}
	p := probe{doctor: d, site: s, name: where.name, reg: where.register, own: where.name == s.name}
	p.run(ctx)
	if !p.own {
		d.mayWrite(ctx, s)
	}
}

func (d *doctor) read(ctx context.Context, s site) (register.Snapshot, bool) {
	began := time.Now()
	snap, err := s.register.Load(ctx)
	if err != nil {
		d.fail(s.job, "read", err)
		return snap, false
	}
	what := map[record.State]string{
		record.Absent: "no record yet", record.Present: "a record", record.Damaged: "a damaged record, which agents replace",
		record.Unopenable: "a sealed record",
	}[record.ReadAs(s.form, snap.Texts, snap.Time.Unix()).State]
	d.tell(s.job, "read", passed, "", "%s, in %s", what, millis(time.Since(began)))
	return snap, true
}

func (d *doctor) clock(s site, snap register.Snapshot) {
	if snap.Time.IsZero() {
		d.tell(s.job, "clock", advice, "keep this machine's clock right (chronyc tracking)", "the register tells no time: agents go by their own clocks, and no record from the future is repaired")
		return
	}
	// The register tells whole seconds, so up to a second of it means nothing.
	off := time.Since(snap.Time)
	switch {
	case off < -time.Second || off > 2*time.Second+time.Second:
		where := "ahead of"
		if off < 0 {
			off, where = -off, "behind"
		}
		d.tell(s.job, "clock", advice, "set the clock (chronyc tracking); a signature allows some minutes",
			"this machine is about %s %s the register; agents go by the register's time", seconds(off.Round(time.Second)), where)
	default:
		d.tell(s.job, "clock", passed, "", "within 2 s of the register's")
	}
}

// name looks at what else is at the job's name. A wildcard there makes every
// write impossible.
func (d *doctor) name(ctx context.Context, s site, set record.Set) bool {
	q := query{dns: &d.svc.dns}
	seen := q.ask(ctx, s)
	switch {
	case seen.err != nil:
		d.tell(s.job, "dns", advice, "agents then ask the register itself; solotick status "+s.name+" shows what outsiders see", "no answer by DNS without the credential: %v", seen.err)
	case seen.Answer().Alias != "":
		d.tell(s.job, "dns", advice, "use a name of its own: record: in the file", "the name is an alias (CNAME) of %s", seen.Answer().Alias)
	case seen.Answer().Wildcard != "" && len(seen.Answer().Texts) > 0:
		code, do := remedy(rfc2136.FaultName)
		d.failed(code)
		d.tell(s.job, "dns", failed, do+"; or add any TXT value at this name once, by hand",
			"the wildcard %s answers for this name, which has nothing of its own to compare with: no agent can create its record", seen.Answer().Wildcard)
		return false
	default:
		d.tell(s.job, "dns", passed, "", "answered without the credential by %s, in %s", seen.serverName(), millis(seen.Answer().Latency))
	}
	if n := len(set.Foreign); n > 0 && set.State != record.Unopenable { // which has all values there
		d.tell(s.job, "values", advice, "use a name of its own: record: in the file", "%d other TXT value%s at this name; agents keep them, but everybody who changes them is in the agents' way", n, plural(n))
	}
	d.kept(s, seen, set)
	if set.Detail != nil && set.State != record.Unopenable {
		d.tell(s.job, "record", advice, "solotick record get "+s.String(), "%v", set.Detail)
	}
	return true
}

// scratch finds the name to try writes at: one below the job's, or the job's
// own if the credential may write nothing else.
func (d *doctor) scratch(ctx context.Context, s site) *site {
	id := make([]byte, 4)
	rand.Read(id) // never fails
	below := site{name: fmt.Sprintf("_solotick-doctor-%x.%s", id, s.name), job: s.job}
	var err error
	if below.register, err = d.svc.register(below.name); err != nil {
		return &s // such as a name that would be too long
	}
	snap, err := below.register.Swap(ctx, register.Snapshot{}, []string{doctorMark + "try"})
	if err == nil {
		if _, err = below.register.Swap(ctx, snap, nil); err != nil {
			d.fail(s.job, "write", fmt.Errorf("the scratch record could not be removed: %w", err))
			return nil
		}
		return &below
	}
	if errors.Is(err, register.ErrUncertain) {
		// PowerDNS answers NOERROR to what its policy forbids, and does nothing.
		snap, err = below.register.Load(ctx)
		switch {
		case err == nil && len(snap.Texts) == 0:
			return &s
		case err == nil:
			_, err = below.register.Swap(ctx, snap, nil)
		}
	}
	if errors.Is(err, register.ErrRefused) {
		return &s
	}
	if err != nil {
		d.fail(s.job, "write", err)
		return nil
	}
	return &below
}

// quiet waits until no run is in progress: a write by somebody else would make
// its agent's next one conflict, and others count its lease from the beginning.
func (d *doctor) quiet(ctx context.Context, s site) bool {
	deadline := time.Now().Add(quietTime)
	for {
		snap, err := s.register.Load(ctx)
		if err == nil && !record.ReadAs(s.form, snap.Texts, 0).Record.Claimed {
			return true
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			d.failed(exitTryAgain)
			d.tell(s.job, "write", skipped, "try again between two runs: solotick doctor "+s.String(), "a run is in progress, and its agent writes here")
			return false
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// quietTime is how long the doctor waits for a run to end.
const quietTime = 20 * time.Second

// mayWrite adds a value beside the job's record and removes it: that the credential
// may write elsewhere says nothing about the name that counts.
func (d *doctor) mayWrite(ctx context.Context, s site) {
	p := probe{doctor: d, site: s, name: s.name, reg: s.register, own: true}
	_, err := p.put(ctx, []string{doctorMark + "grant"})
	if err == nil || errors.Is(err, register.ErrUncertain) { // it may be there all the same
		if left := p.restore(ctx); left != nil && err == nil {
			err = left
		}
	}
	if err != nil {
		d.fail(s.job, "grant", err)
		return
	}
	d.tell(s.job, "grant", passed, "", "the credential may write at %s itself", s.name)
}

// A probe tries the register's promises at one name. What is there besides its
// own values stays.
type probe struct {
	*doctor
	site site
	name string
	reg  register.Register
	own  bool // at the job's own name
}

func (p *probe) run(ctx context.Context) {
	job := p.site.job
	if p.own {
		p.tell(job, "scratch", skipped, "", "the credential may not write below the job's name; what follows is tried at that name itself, beside the record")
	}
	began := time.Now()
	first, err := p.put(ctx, []string{doctorMark + "1"})
	if err != nil && !errors.Is(err, register.ErrUncertain) {
		p.fail(job, "write", err)
		return
	}
	took := time.Since(began)
	defer func() {
		// Also after Ctrl-C.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second+2*p.svc.swapTime)
		defer cancel()
		if err := p.restore(ctx); err != nil {
			p.fail(job, "restore", fmt.Errorf("a value that begins with %q is left at %s: %w", doctorMark, p.name, err))
			return
		}
		p.tell(job, "restore", passed, "", "everything that was written is removed again")
	}()
	if err != nil { // it may be there all the same
		p.fail(job, "write", err)
		return
	}
	second, err := p.put(ctx, []string{doctorMark + "2"})
	if err != nil {
		p.fail(job, "write", err)
		return
	}
	p.tell(job, "write", passed, "", "created and replaced in %s", millis(took))
	if !p.stale(ctx, first, second) {
		return
	}
	p.readBack(ctx, second)
	p.follow(ctx)
	p.values(ctx)
}

// put makes values the doctor's own at the name. Somebody else's write in
// between is no failure.
func (p *probe) put(ctx context.Context, values []string) (register.Snapshot, error) {
	var err error
	for range changeTries {
		var snap, after register.Snapshot
		if snap, err = p.reg.Load(ctx); err != nil {
			return snap, err
		}
		after, err = p.reg.Swap(ctx, snap, append(others(snap.Texts), values...))
		if !errors.Is(err, register.ErrConflict) {
			return after, err
		}
	}
	return register.Snapshot{}, err
}

func (p *probe) restore(ctx context.Context) error {
	_, err := p.put(ctx, nil)
	return err
}

// others are the texts that are not the doctor's.
func others(texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return strings.HasPrefix(t, doctorMark) })
}

// stale tries what must not work: a swap against what was there before, and a
// create over something. What they would write changes nothing but the doctor's
// own value.
func (p *probe) stale(ctx context.Context, before, now register.Snapshot) bool {
	texts := append(others(now.Texts), doctorMark+"stale")
	for what, old := range map[string]register.Snapshot{"a write against an older record": before, "a create over a record": {}} {
		_, err := p.reg.Swap(ctx, old, texts)
		switch {
		case errors.Is(err, register.ErrConflict):
		case err == nil:
			p.failed(exitFailed)
			do := "use another provider: docs/providers.md has those that compare"
			if p.svc == nil || p.svc.dns.Provider == "rfc2136" {
				do = "use a server that honours the prerequisites of RFC 2136, as one process; docs/protocol.md section 4 lists them"
			}
			p.tell(p.site.job, "swap", failed, do, "%s was accepted: this register does not compare, so two agents can both believe that they have a tick", what)
			return false
		default:
			p.fail(p.site.job, "swap", err)
			return false
		}
	}
	p.tell(p.site.job, "swap", passed, "", "a stale write and a second create were refused")
	return true
}

// readBack measures how long the write takes to be seen through DNS.
func (p *probe) readBack(ctx context.Context, want register.Snapshot) {
	job := p.site.job
	w, err := p.svc.window()
	if err != nil {
		p.fail(job, "read-back", err)
		return
	}
	look := w.at(p.name)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, max(15*time.Second, 3*p.svc.dns.Lag()))
	defer cancel()
	for {
		got, err := look(ctx)
		lag := time.Since(began)
		switch {
		case err == nil && slices.Contains(got.Texts, doctorMark+"2"):
			p.seen(lag)
			return
		case ctx.Err() != nil && err != nil:
			p.tell(job, "read-back", advice, "agents then ask the register itself, which costs more", "DNS does not answer: %v", err)
			return
		case ctx.Err() != nil:
			p.tell(job, "read-back", advice, "check NOTIFY and the transfers of the secondaries; set head_start above the usual lag",
				"the authoritative servers do not show the write within %s", seconds(lag.Round(time.Second)))
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (p *probe) seen(lag time.Duration) {
	if head := p.site.filled().HeadStart; lag > head && head > 0 {
		p.tell(p.site.job, "read-back", advice, "set head_start above "+seconds(lag.Round(time.Second)), "DNS shows a write after %s, later than head_start (%s): other agents will try ticks that are taken", seconds(lag), seconds(head))
		return
	}
	p.tell(p.site.job, "read-back", passed, "", "DNS shows the write after %s", millis(lag))
}

// values tries several TXT values at one name, with all that providers mangle.
func (p *probe) values(ctx context.Context) {
	values := []string{
		doctorMark + `{"id":"\"\\;","timer":0} ;`,
		doctorMark + strings.Repeat("x", 300),
	}
	after, err := p.put(ctx, values)
	if err != nil {
		p.fail(p.site.job, "values", err)
		return
	}
	for _, v := range values {
		if !slices.Contains(after.Texts, v) {
			p.failed(exitFailed)
			p.tell(p.site.job, "values", failed, "", "a text came back altered: %q became one of %q", v, after.Texts)
			return
		}
	}
	p.tell(p.site.job, "values", passed, "", "several values at one name, quotes, backslashes and 300 bytes come back as they were")
}

// millis is a short duration for people.
func millis(d time.Duration) string {
	if d >= time.Second {
		return seconds(d)
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
