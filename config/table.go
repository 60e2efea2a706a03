package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

const (
	second = int64(time.Second)
	minute = int64(time.Minute)
	hour   = int64(time.Hour)

	maxSteps = 100
)

// A file is the top of a file. What its jobs are depends on its defaults and
// notifiers, so those stay nodes at first.
type file struct {
	version                      int
	dns                          DNS
	agent                        Agent
	seal                         sealing
	sign                         signing
	notify, from, defaults, jobs *yaml.Node
}

var fileKeys = []key[file]{
	{name: "version", doc: "the version of this file's format", to: func(f *file) any { return &f.version }, rule: rule{required: true, least: 1, most: 1}},
	{name: "dns", doc: "where the records are", to: func(f *file) any { return &f.dns }, rule: rule{required: true}},
	{name: "agent", doc: "this process", to: func(f *file) any { return &f.agent }},
	{name: "seal", also: []string{"sealed", "encrypt", "encryption", "seal_keys"}, doc: "keep the records from being read by whoever has no key", to: func(f *file) any { return &f.seal }},
	{name: "sign", also: []string{"signed", "signing", "signature"}, doc: "have everybody able to tell that an agent wrote a record", to: func(f *file) any { return &f.sign }},
	{name: "notify", also: []string{"notifiers", "channels", "alerting"}, doc: "where people are told, by name", to: func(f *file) any { return &f.notify }},
	{name: "jobs_from", also: []string{"jobs_url", "include"}, doc: "where more jobs are: a URL, or a mapping with one", to: func(f *file) any { return &f.from }},
	{name: "defaults", doc: "what holds for every job that does not say otherwise", to: func(f *file) any { return &f.defaults }},
	{name: "jobs", doc: "the jobs, by name", also: []string{"job", "tasks", "checks"}, to: func(f *file) any { return &f.jobs }},
}

// A listing is the top of a list of jobs from elsewhere.
type listing struct {
	version        int
	defaults, jobs *yaml.Node
}

var listingKeys = []key[listing]{
	{name: "version", doc: "the version of this list's format", to: func(l *listing) any { return &l.version }, rule: rule{required: true, least: 1, most: 1}},
	{name: "defaults", doc: "what holds for every job that does not say otherwise", to: func(l *listing) any { return &l.defaults }},
	{name: "jobs", doc: "the jobs, by name", to: func(l *listing) any { return &l.jobs }, rule: rule{required: true}},
}

var agentKeys = []key[Agent]{
	{name: "id", also: []string{"name"}, doc: "how the agent's id begins; the rest is random", to: func(a *Agent) any { return &a.ID }, rule: rule{check: checkAgentID, pattern: agentID}},
	{name: "grace", also: []string{"shutdown_grace"}, doc: "how long a run may go on when the agent is told to end; it is sent TERM kill_grace before that, and KILL then", to: func(a *Agent) any { return &a.Grace }, rule: rule{def: "8s", most: hour}},
	{name: "listen", also: []string{"metrics", "addr", "address"}, doc: "where it answers /metrics, /livez, /readyz, /status and /events, as in 127.0.0.1:9480; if absent nowhere", to: func(a *Agent) any { return &a.Listen }, rule: rule{check: checkListen}},
	{name: "events", also: []string{"event_log", "journal"}, doc: "the absolute path of a file to which it appends what it reads, decides and writes, for solotick explain; if absent there is none", to: func(a *Agent) any { return &a.Events }, rule: rule{check: checkPath, pattern: "^/"}},
	{name: "report", also: []string{"reports", "push"}, doc: "where it tells of each run how it went", to: func(a *Agent) any { return &a.Report }},
}

var reportKeys = []key[Report]{
	{name: "url", also: []string{"endpoint", "address"}, doc: "the address that takes reports, such as that of solotick serve", to: func(r *Report) any { return &r.URL }, rule: rule{required: true, pattern: webURL}},
	{name: "token", also: []string{"bearer"}, doc: "proves who sends, as Authorization: Bearer", to: func(r *Report) any { return &r.Token }, rule: rule{secret: true}},
	{name: "hmac", also: []string{"secret", "key", "signing_key"}, doc: "or a key to sign reports with (HMAC-SHA256)", to: func(r *Report) any { return &r.HMAC }, rule: rule{secret: true}},
	{name: "output", doc: "whether the end of what commands print goes along", to: func(r *Report) any { return &r.Output }, rule: rule{def: "true"}},
}

// jobKeys are those of a job and, but for record, of defaults.
var jobKeys = []key[Job]{
	{name: "every", also: []string{"interval", "period"}, doc: "the time between two ticks, aligned to the epoch", to: func(j *Job) any { return &j.Every }, rule: rule{least: second, most: 366 * 24 * hour, seconds: true}},
	{name: "offset", doc: "the ticks of every: are so much after its multiples; if absent it follows from the job's name", to: func(j *Job) any { return &j.Offset }, rule: rule{seconds: true}},
	{name: "cron", also: []string{"schedule"}, doc: "a cron expression of five fields", to: func(j *Job) any { return &j.Cron }},
	{name: "time_zone", also: []string{"timezone", "tz"}, doc: "the IANA time zone of cron:", to: func(j *Job) any { return &j.TimeZone }, rule: rule{def: "UTC"}},
	{name: "record", also: []string{"txt", "record_name"}, doc: "the full name of the job's record; if absent the job's name in the zone", to: func(j *Job) any { return &j.Record }, rule: rule{check: checkDNSName, pattern: dnsName}},
	{name: "guarantee", doc: "what a crash may do to a tick: run it again, or lose it", to: func(j *Job) any { return &j.Guarantee }, rule: rule{def: atLeastOnce, oneOf: []string{atLeastOnce, atMostOnce}}},
	{name: "exec", also: []string{"command", "cmd", "run", "script"}, doc: "a program and its arguments, or with shell: true one text", to: func(j *Job) any { return &j.exec }},
	{name: "steps", doc: "what is done one after the other, in place of exec:", to: func(j *Job) any { return &j.steps }},
	{name: "shell", doc: "exec: is one text for /bin/sh -c", to: func(j *Job) any { return &j.shell }},
	{name: "on_failure", doc: "who is told when the job has failed, and when it has not again", to: func(j *Job) any { return &j.onFailure }},
	{name: "dir", also: []string{"cwd", "workdir", "working_directory"}, doc: "the working directory of commands", to: func(j *Job) any { return &j.dir }},
	{name: "env", also: []string{"environment"}, doc: "variables for commands", to: func(j *Job) any { return &j.env }},
	{name: "output", doc: "what becomes of what commands print", to: func(j *Job) any { return &j.Output }, rule: rule{def: "prefixed", oneOf: []string{"raw", "prefixed", "quiet"}}},
	{name: "timeout", also: []string{"deadline", "max_runtime"}, doc: "how long a run may take; if absent as long as it likes", to: func(j *Job) any { return &j.Timeout }, rule: rule{least: second / 1000}},
	{name: "attempts", also: []string{"retries", "tries"}, doc: "how often a tick that fails is run, the first time included", to: func(j *Job) any { return &j.Attempts }, rule: rule{def: "1", least: 1, most: 100}},
	{name: "takeovers", doc: "how often a tick whose agent vanished is run again, beyond attempts", to: func(j *Job) any { return &j.Takeovers }, rule: rule{def: "3", most: 100}},
	{name: "catch_up", also: []string{"catchup", "missed"}, doc: "what happens to missed ticks: the latest is run, none, or all", to: func(j *Job) any { return &j.CatchUp }, rule: rule{def: "once", oneOf: []string{"once", "none", "all"}}},
	{name: "start_deadline", also: []string{"starting_deadline", "startingdeadlineseconds"}, doc: "how late a tick may start with catch_up: none; if absent half the interval", to: func(j *Job) any { return &j.StartDeadline }, rule: rule{least: second}},
	{name: "overlap", also: []string{"concurrency", "concurrencypolicy"}, doc: "what happens to a tick that falls due while its job still runs", to: func(j *Job) any { return &j.Overlap }, rule: rule{def: "wait", oneOf: []string{"wait", "skip", "replace"}}},
	{name: "without_register", doc: "what to do about a tick when the register cannot be reached: go by DNS, run always, or wait", to: func(j *Job) any { return &j.WithoutRegister }, rule: rule{def: "dns", oneOf: []string{"dns", "always", "wait"}}},
	{name: "outage_after", doc: "how long the register is away before a tick is run without it", to: func(j *Job) any { return &j.OutageAfter }, rule: rule{least: second}},
	{name: "lease", also: []string{"ttl"}, doc: "how long a claim lasts without renewal", to: func(j *Job) any { return &j.Lease }, rule: rule{def: "15s", least: 3 * second, most: 15 * minute, seconds: true}},
	{name: "kill_grace", also: []string{"grace"}, doc: "the time between TERM and KILL", to: func(j *Job) any { return &j.KillGrace }, rule: rule{def: "3s", most: 5 * minute}},
	{name: "skew", doc: "how much two agents' clocks may differ", to: func(j *Job) any { return &j.Skew }, rule: rule{def: "2s", most: minute}},
	{name: "head_start", doc: "how long the agent that ran the tick before has for itself", to: func(j *Job) any { return &j.HeadStart }, rule: rule{def: "2s", most: 5 * minute}},
	{name: "spread", also: []string{"jitter"}, doc: "the time over which all other agents are spread", to: func(j *Job) any { return &j.Spread }, rule: rule{def: "3s", most: 5 * minute}},
	{name: "affinity", doc: "whether the agent that ran the tick before has a head start", to: func(j *Job) any { return &j.Affinity }, rule: rule{def: "incumbent", oneOf: []string{"incumbent", "none"}}},
	{name: "poll", doc: "how long an agent waits between two looks at most", to: func(j *Job) any { return &j.Poll }, rule: rule{def: "60s", least: second, most: 10 * minute}},
}

const (
	atLeastOnce = "at-least-once"
	atMostOnce  = "at-most-once"
)

// checkJobName keeps a name usable as a label of a DNS name. It is part of the
// offset of every:, so letter case matters and there is only one.
func checkJobName(name string) error {
	const hint = "small letters, digits, - and _, at most 63, neither first nor last a -"
	switch {
	case strings.ToLower(name) != name && checkJobName(strings.ToLower(name)) == nil:
		return problem{"is not in small letters", "write " + strings.ToLower(name)}
	case strings.Contains(name, "."):
		return problem{"holds a dot", "name the record by record: if it has to have one"}
	case checkLabel(name) != nil:
		return problem{"cannot be the name of a job", hint}
	}
	return nil
}

func checkLabel(label string) error {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return problem{"is no DNS label", ""}
	}
	for _, c := range label {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return problem{"is no DNS label", ""}
		}
	}
	return nil
}

// checkDNSName accepts a last dot and capital letters, which mean nothing.
func checkDNSName(name string) error {
	name = canonical(name)
	if len(name) > 253 {
		return problem{"is longer than 253 characters", ""}
	}
	for label := range strings.SplitSeq(name, ".") {
		if checkLabel(label) != nil {
			return problem{"is no DNS name", "labels of letters, digits, - and _, with dots between, as in example.com"}
		}
	}
	return nil
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func checkServer(server string) error {
	_, err := hostPort(server)
	return err
}

// hostPort adds port 53 to a host without one.
func hostPort(server string) (string, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil { // no port, or an IPv6 address
		host, port = strings.TrimSuffix(strings.TrimPrefix(server, "["), "]"), "53"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return "", problem{"has no port from 1 to 65535", "host or host:port"}
	}
	if net.ParseIP(host) == nil && checkDNSName(host) != nil {
		return "", problem{"is neither a host nor an address", "as in ns1.example.com, 192.0.2.1:5353 or [2001:db8::1]:53"}
	}
	return net.JoinHostPort(host, port), nil
}

func checkListen(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return problem{"is no address to listen on", "as in 127.0.0.1:9480, or :9480 for all addresses of this machine"}
	}
	return nil
}

func checkAgentID(id string) error {
	ok := len(id) >= 1 && len(id) <= 12
	for _, c := range id {
		ok = ok && ('A' <= c && c <= 'Z' || '0' <= c && c <= '9')
	}
	if !ok {
		return problem{"cannot begin an agent's id", "1 to 12 of A-Z and 0-9: everybody can read it in the record"}
	}
	return nil
}

func checkStepID(id string) error {
	if !isVariable(id) || strings.ToLower(id) != id || len(id) > 63 {
		return problem{"cannot be the id of a step", fmt.Sprintf("small letters, digits and _, not a digit first, as in %s", "check_api")}
	}
	return nil
}
