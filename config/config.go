// Package config reads Solotick's configuration: one YAML file with the DNS zone
// and the jobs.
//
// [Load] is all that most callers need. It is strict: it knows every key, and
// gives all mistakes of a file at once as [Diagnostics], each with its place, the
// line and a hint. A file with a mistake gives no [Config] at all.
//
// What a file may hold is one table (table.go and those beside it). Values may
// come from elsewhere by ${env:NAME}, ${env:NAME:-default}, ${file:/path},
// ${credential:NAME} and ${vcap:service.path}, only where a file holds a value and
// never in a command's arguments, where ps would show them. Anchors and aliases work; merge keys (<<)
// do not, since defaults: is there for it. Expressions are compiled here, so that
// a misspelt name is a mistake in the file.
//
// The list of jobs may be a text of its own that lies elsewhere: [Config.Parse]
// reads it, and grants it only what the file allows.
//
// [Schema] and [JobsSchema] describe the same table for editors, and [Inspect]
// tells people which values are in force, and why.
//
// The package starts nothing, asks nobody, and does not say what follows from a
// value: that is for package elect.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/schedule"
	"github.com/solotick/solotick/seal"
	"github.com/solotick/solotick/steps"
)

// A Config is a whole file, with defaults in place of what it leaves out.
type Config struct {
	Version  int
	DNS      DNS
	Agent    Agent
	Ring     seal.Ring  // the keys by which records are sealed and signed; empty: they are plain
	KeyFiles []string   // that its keys were read from, for who looks whether others can read them
	Notify   []Notifier // in the order of the file
	From     *From      // where more jobs are; nil: nowhere
	Jobs     []Job      // of the file itself, in its order

	// Absent says that something which the file takes from elsewhere was not here
	// ([LoadToLook] alone makes such a Config): nothing may be written by it, since a
	// record would be written without the keys that protect it.
	Absent bool

	// Hash is the SHA-256 of the file's text in hex: equal on agents with equal
	// files, and no secret, since the file holds none.
	Hash string

	secrets  func() []string   // a function, since fmt shows the fields of any struct
	resolved [sha256.Size]byte // of all that came from elsewhere
	common   string            // a hash of what all jobs share
	shared   shared            // by all jobs of lists from elsewhere
}

// Equal says whether two configurations came from the same text, with the same
// values from elsewhere.
func (c *Config) Equal(d *Config) bool {
	return c.Hash == d.Hash && c.resolved == d.resolved
}

// An Agent is what belongs to the process rather than to a job.
type Agent struct {
	ID    string        // the beginning of its id; empty: all of it is random
	Grace time.Duration // what a run gets to end by itself when the agent stops
	// Listen is where it answers /metrics, /livez, /readyz, /status and /events;
	// empty: nowhere.
	Listen string
	// Events is the file to which it appends what it reads, decides and writes;
	// empty: none.
	Events string
	Report *Report // where it tells of its runs; nil: nowhere
}

// A Report says where an agent tells of its runs. It has either Token or HMAC.
type Report struct {
	URL    Secret
	Token  Secret // of a bearer
	HMAC   Secret // a key to sign with
	Output bool   // the end of what commands print goes along
}

// Secrets are the values of the file that came from elsewhere and may be secret, for
// who has to take them out of texts that commands have written. Numbers, durations
// and words of which there are only some are none.
func (c *Config) Secrets() []string {
	if c.secrets == nil {
		return nil
	}
	return c.secrets()
}

// A Job is what is to be done, and when.
type Job struct {
	Name   string
	Record string // the full name of its record, in lower case and without the last dot

	Every    time.Duration // or Cron
	Offset   *time.Duration
	Cron     string
	TimeZone string
	Schedule schedule.Schedule // what follows from the four

	Guarantee       string // at-least-once, at-most-once
	Timeout         time.Duration
	Attempts        int
	Takeovers       int
	CatchUp         string        // once, none, all
	StartDeadline   time.Duration // 0: half the interval
	Overlap         string        // wait, skip, replace
	WithoutRegister string        // dns, always, wait
	OutageAfter     time.Duration // 0: what protocol section 8 says
	Affinity        string        // incumbent, none

	Lease     time.Duration
	KillGrace time.Duration
	Skew      time.Duration
	HeadStart time.Duration
	Spread    time.Duration
	Poll      time.Duration // at most this, and at least 5/6 of it

	Output string      // of commands: raw, prefixed, quiet
	Plan   *steps.Plan // what it does; Stdout, Stderr and Guards of its commands are left to the run

	// Hash differs for two jobs that differ in anything, values from elsewhere
	// and what they take from defaults and notify included.
	Hash string

	// What Plan is made of.
	exec      argv
	shell     bool
	dir       string
	env       []Variable
	steps     []step
	onFailure *failureAlert
}

// A Variable goes into a command's environment. Its value may be a secret.
type Variable struct {
	Name  string
	Value Secret
}

// maxFile is the size of a file at most.
const maxFile = 1 << 20

// Load reads a file. The error is [Diagnostics] if the file could be read.
func Load(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// LoadPlace is Load for who wants to know where records are: the file need not have
// any jobs.
func LoadPlace(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return parse(path, data, true)
}

// LoadToLook is [Load] for who only looks at records: what the file takes from
// elsewhere need not be here, as secrets are not on a machine that watches. Whatever
// is made of it is left out, and what jobs do is not to be relied on. Where a record
// or a schedule comes from elsewhere it has to be here all the same.
func LoadToLook(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	w := newWalker(path, data)
	root := w.document(data)
	if root == nil {
		return nil, w.wrong()
	}
	c := w.config(root, false)
	known := c.DNS.Zone != "" && !slices.ContainsFunc(c.Jobs, func(j Job) bool { return j.Record == "" || j.Schedule == (schedule.Schedule{}) })
	if len(w.mistakes) > w.absent || !known {
		return nil, w.wrong()
	}
	c.secrets = func() []string { return nil }
	c.Absent = w.absent > 0
	return c, nil
}

// read returns the text of a file, or more of it than it may have.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return data, nil
}

// Parse reads the text of a file; name stands in the errors, which are always
// [Diagnostics].
func Parse(name string, data []byte) (*Config, error) { return parse(name, data, false) }

func parse(name string, data []byte, jobless bool) (*Config, error) {
	w := newWalker(name, data)
	root := w.document(data)
	if root == nil {
		return nil, w.wrong()
	}
	c := w.config(root, jobless)
	if len(w.mistakes) > 0 {
		return nil, w.wrong()
	}
	hash := sha256.Sum256(data)
	c.Hash = hex.EncodeToString(hash[:])
	w.digest.Sum(c.resolved[:0])
	slices.Sort(w.hushed)
	secrets := slices.Compact(w.hushed)
	c.secrets = func() []string { return secrets }
	return c, nil
}

// config makes a configuration of a document, as far as that has no mistakes.
func (w *walker) config(root *yaml.Node, jobless bool) *Config {
	var f file
	at := object(w, root, "", fileKeys, &f)
	if at["agent"].key == nil {
		preset(agentKeys, &f.agent)
	}
	c := &Config{Version: f.version, DNS: f.dns, Agent: f.agent, Ring: f.ring(), KeyFiles: f.keyFiles(), shared: newShared()}
	w.zone, w.lag = f.dns.Zone, f.dns.Lag()
	c.Notify = w.notifiers(f.notify)
	c.From = w.from(f.from)
	if f.jobs == nil && f.from == nil && !jobless {
		w.mistake(root, "", "", "%q is missing", "jobs")
	}
	w.common = w.commonHash(f.notify)
	c.common = w.common
	c.Jobs = w.jobs(f.defaults, f.jobs, nil)
	return c
}

// problemOf returns the words of an error, and its remedy if it has one.
func problemOf(err error) (message, hint string) {
	var p problem
	if errors.As(err, &p) {
		return p.message, p.hint
	}
	return err.Error(), ""
}
