package config

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/schedule"
)

// jobs reads jobs, each above the defaults. Those of another list are taken
// already, with their records.
func (w *walker) jobs(defaults, jobs *yaml.Node, others []Job) []Job {
	var base Job
	preset(jobKeys, &base)
	base.HeadStart = max(base.HeadStart, w.lag)
	inherited := make(places)
	if defaults != nil {
		inherited = object(w, defaults, "defaults", jobKeys, &base)
		if p, ok := inherited["record"]; ok {
			w.mistake(p.key, p.path, "", "two jobs cannot have one record")
			delete(inherited, "record")
			base.Record = ""
		}
		w.exclusive(inherited)
	}
	if jobs == nil {
		return nil
	}
	w.shareSum(defaults)
	var all []Job
	records := make(map[string]place)
	w.pairs(jobs, "jobs", func(k, v *yaml.Node) {
		if len(all) == mostJobs {
			w.refuse("it has more than %d jobs", mostJobs)
		}
		path := join("jobs", k.Value)
		j := base
		j.Name = k.Value
		if err := checkJobName(k.Value); err != nil {
			message, hint := problemOf(err)
			w.mistake(k, "jobs", hint, "%q %s", k.Value, message)
		}
		mark := w.mark()
		own := object(w, v, path, jobKeys, &j)
		if follow(v).Kind != yaml.MappingNode {
			return
		}
		w.exclusive(own)
		at := override(&j, inherited, own)
		w.check(&j, at, k, path)
		w.unique(&j, at, k, path, records)
		w.taken(&j, at, k, path, others)
		j.Hash = w.hashOf(mark, v)
		j.steps, j.onFailure = nil, nil // they hold the whole file
		all = append(all, j)
	})
	if len(all) == 0 && len(w.mistakes) == 0 && w.allow == nil {
		w.mistake(jobs, "jobs", "", "there are no jobs")
	}
	return all
}

// taken reports a job whose name or record another list has already.
func (w *walker) taken(j *Job, at places, name *yaml.Node, path string, others []Job) {
	for i := range others {
		o := &others[i]
		switch p := at["record"]; {
		case o.Name == j.Name:
			w.mistake(name, path, "another name", "the agent's own file has a job of this name")
		case o.Record == j.Record && p.key != nil:
			w.mistake(p.value, p.path, "", "%s is the record of %s in the agent's own file", j.Record, o.Name)
		case o.Record == j.Record:
			w.mistake(name, path, "record: another name", "%s is the record of %s in the agent's own file", j.Record, o.Name)
		}
	}
}

// exclusive reports keys of one mapping that exclude each other.
func (w *walker) exclusive(at places) {
	for _, two := range [][2]string{{"every", "cron"}, {"exec", "steps"}} {
		if p, ok := at[two[1]]; ok && at[two[0]].key != nil {
			w.mistake(p.key, p.path, "leave one of them out", "%s and %s are both given", two[0], two[1])
		}
	}
}

// replaces are the keys of defaults: that a job's own key has ignored.
var replaces = map[string][]string{
	"cron": {"every", "offset"}, "every": {"cron", "time_zone"}, "exec": {"steps"}, "steps": {"exec"},
}

// override returns the places of a job above those of its defaults: a job that
// has one way of saying a thing inherits no other one.
func override(j *Job, inherited, own places) places {
	at := maps.Clone(inherited)
	drop := func(instead string, reset func()) {
		if _, ok := own[instead]; !ok {
			return
		}
		for _, name := range replaces[instead] {
			if _, ok := own[name]; !ok && inherited[name].key != nil {
				delete(at, name)
				reset()
			}
		}
	}
	drop("cron", func() { j.Every, j.Offset = 0, nil })
	drop("every", func() { j.Cron, j.TimeZone = "", "UTC" })
	drop("exec", func() { j.steps = nil })
	drop("steps", func() { j.exec = argv{} })
	maps.Copy(at, own)
	return at
}

// unique finds the job's record and reports a second job with the same.
func (w *walker) unique(j *Job, at places, name *yaml.Node, path string, records map[string]place) {
	if j.Record == "" {
		return
	}
	p := place{key: name, value: name, path: path}
	if at.given("record") {
		p = at["record"]
	}
	if other, taken := records[j.Record]; taken {
		w.mistake(p.value, p.path, "", "%s is already the record of %s in line %d", j.Record, strings.TrimSuffix(other.path, ".record"), other.key.Line)
		return
	}
	records[j.Record] = p
}

// check is what concerns more than one key of a job.
func (w *walker) check(j *Job, at places, name *yaml.Node, path string) {
	w.record(j, at, w.zone, path, name)
	w.schedule(j, at, name, path)
	w.plan(j, at, name, path)
	if least := 3 * (j.KillGrace + time.Second); j.Lease < least {
		p := at["lease"]
		hint := fmt.Sprintf("lease: %s, or kill_grace: %s", short(least), short(max(0, j.Lease/3-time.Second).Truncate(time.Second/10)))
		if !at.given("lease") {
			p = at["kill_grace"]
		}
		w.mistake(p.value, p.path, hint, "lease %s is less than 3 x (kill_grace %s + 1s)", short(j.Lease), short(j.KillGrace))
	}
	if at.given("start_deadline") && j.CatchUp != "none" {
		w.mistake(at["start_deadline"].key, at["start_deadline"].path, "add catch_up: none, or leave it out", "has no meaning with catch_up: %s", j.CatchUp)
	}
	if j.Guarantee == atMostOnce {
		w.atMostOnce(j, at, path)
		w.stateless(j, at, path)
	}
	if !at.given("outage_after") {
		return
	}
	p := at["outage_after"]
	if j.WithoutRegister == "wait" {
		w.mistake(p.key, p.path, "", "has no meaning with without_register: wait, which never runs without it")
	} else if least := j.HeadStart + j.Spread; j.OutageAfter < least {
		w.mistake(p.value, p.path, "at least "+short(least), "%s is less than head_start %s + spread %s", short(j.OutageAfter), short(j.HeadStart), short(j.Spread))
	}
}

// atMostOnce refuses what could run a tick twice.
func (w *walker) atMostOnce(j *Job, at places, path string) {
	refuse := func(key string, bad bool, hint string) {
		if p, ok := at[key]; ok && p.good && bad {
			w.mistake(p.value, p.path, hint, "%s is at-most-once, which never runs a tick again", path)
		}
	}
	refuse("attempts", j.Attempts > 1, "attempts: 1, or guarantee: at-least-once")
	refuse("takeovers", j.Takeovers > 0, "takeovers: 0, or guarantee: at-least-once")
	j.Takeovers = 0
	if p := at["without_register"]; p.good && j.WithoutRegister != "wait" {
		w.mistake(p.value, p.path, "without_register: wait, or guarantee: at-least-once", "%s is at-most-once, which runs nothing without the register", path)
	}
	j.WithoutRegister = "wait"
	if least := j.Skew + j.KillGrace + time.Second; at.given("every") && j.Every <= least {
		p := at["every"]
		w.mistake(p.value, p.path, "a longer interval, or a shorter kill_grace or skew", "%s is at-most-once and has to end skew %s before the next tick: every %s leaves less than kill_grace %s + 1s", path, short(j.Skew), short(j.Every), short(j.KillGrace))
	}
}

func (w *walker) record(j *Job, at places, zone, path string, name *yaml.Node) {
	j.Record = canonical(j.Record)
	switch p := at["record"]; {
	case zone == "" || checkDNSName(zone) != nil || p.key != nil && !p.good:
		j.Record = ""
	case p.key == nil:
		j.Record = j.Name + "." + zone
		if err := checkDNSName(j.Record); err != nil && checkJobName(j.Name) == nil {
			message, hint := problemOf(err)
			w.mistake(name, path, hint, "its record %q %s", j.Record, message)
		}
	case j.Record == zone:
		w.mistake(p.value, p.path, "a name of its own, as "+j.Name+"."+zone, "is the zone itself")
	case !strings.HasSuffix(j.Record, "."+zone):
		w.mistake(p.value, p.path, fmt.Sprintf("a full name, as %s.%s", strings.TrimSuffix(j.Record, "."), zone), "%q is not in the zone %s", j.Record, zone)
	}
}

type zoneOrError struct {
	zone *time.Location
	err  error
}

// schedule makes the job's schedule.
func (w *walker) schedule(j *Job, at places, name *yaml.Node, path string) {
	every, cron := at["every"], at["cron"]
	if every.key == nil && cron.key == nil {
		w.mistake(name, path, `every: 60s, or cron: "*/5 7-19 * * MON-FRI"`, "has no schedule")
		return
	}
	if p, ok := at["offset"]; ok && every.key == nil {
		w.mistake(p.key, p.path, "", "belongs to every:, and there is none")
	}
	if p, ok := at["time_zone"]; ok && cron.key == nil {
		w.mistake(p.key, p.path, "", "belongs to cron:, and there is none: every: is aligned to the epoch")
	}
	switch {
	case every.key != nil && cron.key != nil:
	case every.good:
		w.every(j, at)
	case cron.good:
		w.cron(j, at)
	}
}

func (w *walker) every(j *Job, at places) {
	offset := schedule.Offset(j.Name, j.Every)
	if p := at["offset"]; p.key != nil {
		if !p.good {
			return
		}
		offset = *j.Offset
		if offset >= j.Every {
			w.mistake(p.value, p.path, "from 0s to under "+short(j.Every), "offset %s is not less than every %s", short(offset), short(j.Every))
			return
		}
	}
	var err error
	if j.Schedule, err = schedule.Every(j.Every, offset); err != nil {
		w.mistake(at["every"].value, at["every"].path, "", "%v", err)
	}
}

func (w *walker) cron(j *Job, at places) {
	zone, known := w.zones[j.TimeZone]
	if !known {
		zone.zone, zone.err = schedule.Location(j.TimeZone)
		w.zones[j.TimeZone] = zone
	}
	if p := at["time_zone"]; zone.err != nil && p.good {
		w.mistake(p.value, p.path, "", "%s", w.about(p, zone.err))
	}
	if zone.err != nil {
		zone.zone = time.UTC
	}
	var err error
	if j.Schedule, err = schedule.Cron(j.Cron, zone.zone); err != nil {
		p := at["cron"]
		w.mistake(p.value, p.path, "minute hour day-of-month month day-of-week, as in \"*/5 7-19 * * MON-FRI\"", "%s", w.about(p, err))
	}
}

// about words an error that quotes the value, which may have come from elsewhere.
func (w *walker) about(p place, err error) string {
	if n := follow(p.value); strings.Contains(n.Value, "${") {
		return "the value of " + n.Value + " cannot be used"
	}
	return err.Error()
}

// shellText reports an exec: that is not what shell: says.
func (w *walker) shellText(p place, a argv, shell bool) {
	switch {
	case a.text && !shell:
		hint := "or shell: true"
		if words := strings.Fields(a.words[0]); !strings.ContainsAny(a.words[0], "\"'`$&|;<>()*?[]{}~#\\,:") {
			hint = fmt.Sprintf("exec: [%s], or shell: true", strings.Join(words, ", "))
		} else {
			hint = "exec: [program, argument, ...], " + hint
		}
		w.mistake(p.value, p.path, hint, "want a list of arguments, got one text")
	case !a.text && shell:
		w.mistake(p.value, p.path, `exec: "program argument | program"`, "with shell: true want one text, got a list")
	case a.words[0] == "":
		w.mistake(p.value, p.path, "", "the program has no name")
	}
}
