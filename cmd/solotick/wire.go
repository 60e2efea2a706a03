package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/seal"
)

// policyOf is a job's policy as its agents have it.
func policyOf(j config.Job) elect.Policy {
	p := elect.Policy{
		Schedule: j.Schedule,
		Lease:    j.Lease, KillGrace: j.KillGrace, Skew: j.Skew, HeadStart: j.HeadStart, Spread: j.Spread,
		PollMin: j.Poll * 5 / 6, PollMax: j.Poll,
		Timeout: j.Timeout, Attempts: j.Attempts, Takeovers: j.Takeovers,
		StartDeadline: j.StartDeadline, OutageAfter: j.OutageAfter,
		AtMostOnce: j.Guarantee == "at-most-once",
		NoAffinity: j.Affinity == "none",
	}
	switch j.CatchUp {
	case "none":
		p.CatchUp = elect.CatchUpNone
	case "all":
		p.CatchUp = elect.CatchUpAll
	}
	switch j.Overlap {
	case "skip":
		p.Overlap = elect.OverlapSkip
	case "replace":
		p.Overlap = elect.OverlapReplace
	}
	switch j.WithoutRegister {
	case "always":
		p.WithoutRegister = elect.WithoutAlways
	case "wait":
		p.WithoutRegister = elect.WithoutWait
	}
	if p.Takeovers == 0 {
		p.Takeovers = -1 // none, which Fill would take for the default
	}
	p.Fill()
	return p
}

// A look asks DNS for the texts at a name, as an outsider.
type look = func(context.Context) (register.Snapshot, error)

// A site is one record with what the file says about it.
type site struct {
	name     string // of the record, without the last dot
	job      string // empty: the record of no job in the file
	policy   elect.Policy
	form     record.Form // of the record, as it is written; nil: plain
	ring     *seal.Ring  // what it is read with by who only looks; nil: no keys
	force    bool        // also in place of a sealed record that does not open
	register register.Register
	patience time.Duration // of a change, beyond what one alone may take
}

func (s site) String() string {
	if s.job != "" {
		return s.job
	}
	return s.name
}

// filled is the policy, or the defaults.
func (s site) filled() elect.Policy {
	p := s.policy
	p.Fill()
	return p
}

// sites finds records to write to: jobs of the file by their names, or by the
// names of their records; no names: all jobs. It also returns where they are.
func (a *app) sites(file string, names []string) ([]site, *service, error) {
	c, err := a.loadAll(file, a.loadConfig)
	if err != nil {
		return nil, nil, err
	}
	svc, err := openService(c.DNS)
	if err != nil {
		return nil, nil, err
	}
	all, err := findSites(c, names)
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		if all[i].register, err = svc.register(all[i].name); err != nil {
			return nil, nil, err
		}
		all[i].policy.SwapTime = svc.swapTime
		all[i].patience = patienceFor(len(all), c.DNS)
	}
	return all, svc, nil
}

func siteOf(c *config.Config, j config.Job) site {
	return site{name: j.Record, job: j.Name, policy: policyOf(j), form: c.Ring.Form(j.Record), ring: ringOf(c)}
}

// ringOf is the keys of a file; nil: it has none.
func ringOf(c *config.Config) *seal.Ring {
	if c.Ring.Empty() {
		return nil
	}
	return &c.Ring
}

// findSites takes names as findSite does; none stands for all jobs.
func findSites(c *config.Config, names []string) ([]site, error) {
	var all []site
	if len(names) == 0 {
		for _, j := range c.Jobs {
			all = append(all, siteOf(c, j))
		}
	}
	for _, n := range names {
		if strings.HasPrefix(n, "@") {
			return nil, usage("%s: this command goes to the server in the file, dns.server, and takes no other", n)
		}
		s, err := findSite(c, n)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// findSite takes a NAME: with a dot it is a DNS name, else a job.
func findSite(c *config.Config, name string) (site, error) {
	if strings.Contains(name, ".") {
		name = strings.TrimSuffix(strings.ToLower(name), ".")
		for _, j := range c.Jobs {
			if j.Record == name {
				return siteOf(c, j), nil
			}
		}
		return site{name: name, form: c.Ring.Form(name), ring: ringOf(c)}, nil
	}
	var known []string
	for _, j := range c.Jobs {
		if j.Name == name {
			return siteOf(c, j), nil
		}
		known = append(known, j.Name)
	}
	hint := didYouMean("", name, known)
	if hint == "" {
		hint = "; it has: " + strings.Join(known, ", ")
	}
	return site{}, usage("no job %q in the file%s (a name with a dot is a DNS name)", name, hint)
}

// The places where the file is looked for, after -c and $SOLOTICK_CONFIG.
var configPlaces = []string{"./solotick.yaml", "/etc/solotick/solotick.yaml"}

func (a *app) fileFlag(c *cobra.Command, v *string) {
	c.Flags().StringVarP(v, "config", "c", "", "the file (default: $SOLOTICK_CONFIG, "+strings.Join(configPlaces, ", ")+")")
}

var errNoConfig = errors.New("no configuration")

// configPath is the file to read; an error says where it was looked for.
func (a *app) configPath(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if path := a.env("SOLOTICK_CONFIG"); path != "" {
		return path, nil
	}
	for _, path := range configPlaces {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
	return "", &failure{
		code: exitConfig, err: fmt.Errorf("%w: $SOLOTICK_CONFIG is not set, and there is no %s", errNoConfig, strings.Join(configPlaces, " and no ")),
		do: "name the file with -c, or make one: solotick init > solotick.yaml",
	}
}

func (a *app) loadConfig(flag string) (*config.Config, error) {
	path, err := a.configPath(flag)
	if err != nil {
		return nil, err
	}
	c, err := config.Load(path)
	if err != nil {
		return nil, configFailure(err)
	}
	return c, nil
}

// lookConfig is loadConfig for who only looks: the secrets that the file names may be
// on other machines. What a file without them is not enough for is its own mistake.
func (a *app) lookConfig(flag string) (*config.Config, error) {
	c, err := a.loadConfig(flag)
	if err == nil {
		return c, nil
	}
	path, pathErr := a.configPath(flag)
	if pathErr != nil {
		return nil, err
	}
	if c, lookErr := config.LoadToLook(path); lookErr == nil {
		return c, nil
	}
	return nil, err
}

// loadAll is a configuration with the jobs of a list that lies elsewhere among the
// others, as far as it can be read now: that it cannot is said, and keeps nobody
// from asking about the rest.
func (a *app) loadAll(flag string, load func(string) (*config.Config, error)) (*config.Config, error) {
	c, err := load(flag)
	if err != nil || c.From == nil {
		return c, err
	}
	all, err := a.allJobs(context.Background(), c)
	if err != nil {
		fmt.Fprintf(a.stderr, "solotick: only the jobs of the file itself are known here: %s\n", lines(err.Error()))
		return c, nil
	}
	c.Jobs = all
	return c, nil
}

// configFailure gives an error of the file its code, unless it has one. Diagnostics
// are as many lines as they are.
func configFailure(err error) error {
	var known *failure
	if errors.As(err, &known) {
		return err
	}
	f := &failure{code: exitConfig, err: err, means: "nothing was started or changed"}
	var d config.Diagnostics
	switch {
	case errors.As(err, &d):
		n := len(d)
		f.err = fmt.Errorf("%d mistake%s in %s\n%w", n, plural(n), d[0].File, err)
	case errors.Is(err, fs.ErrNotExist):
		f.do = "name the file with -c, or in $SOLOTICK_CONFIG"
	}
	return f
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
