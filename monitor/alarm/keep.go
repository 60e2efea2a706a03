package alarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/notify"
)

const keptSchema = "solotick.alarms/v1"

// kept is what a file holds between two observers: what was told, and what it takes
// to go on. Of what was not told yet it holds nothing; that is found anew.
type kept struct {
	Schema    string         `json:"schema"`
	Time      time.Time      `json:"time"` // when the observer was last alive
	Incidents []keptIncident `json:"incidents,omitempty"`
	Records   []keptRecord   `json:"records,omitempty"`
}

type keptIncident struct {
	Kind    Kind        `json:"kind"`
	Name    string      `json:"name,omitempty"`
	Job     string      `json:"job,omitempty"`
	Since   int64       `json:"since"`
	Most    int         `json:"most,omitempty"`
	Worst   int         `json:"worst,omitempty"`
	Text    string      `json:"text,omitempty"`
	Members []keptMemb  `json:"members,omitempty"`
	Told    []keptPlace `json:"told,omitempty"`
}

type keptMemb struct {
	Name  string `json:"name"`
	Job   string `json:"job,omitempty"`
	Since int64  `json:"since"`
	Text  string `json:"text,omitempty"`
	Rank  int    `json:"rank"`
}

type keptPlace struct {
	Place string `json:"place"`
	Phase int    `json:"phase"`
	Since int64  `json:"since,omitempty"`
	Told  int64  `json:"told,omitempty"`
	Ref   string `json:"ref,omitempty"`
	Doubt bool   `json:"doubt,omitempty"`
	N     int    `json:"n,omitempty"`
	Rank  int    `json:"rank,omitempty"`
	Set   uint64 `json:"set,omitempty"`
}

type keptRecord struct {
	Name      string        `json:"name"`
	Takeovers []int64       `json:"takeovers,omitempty"`
	Failures  int           `json:"failures,omitempty"`
	Failed    int64         `json:"failed,omitempty"`
	Marks     map[Kind]mark `json:"marks,omitempty"`
}

// text is the book as a file has it.
func (b *book) text(now time.Time) ([]byte, error) {
	k := kept{Schema: keptSchema, Time: now.UTC().Truncate(time.Second)}
	for _, inc := range b.incidents {
		one := keptIncident{Kind: inc.kind, Name: inc.name, Job: inc.job, Since: inc.since, Most: inc.most, Worst: inc.worst, Text: inc.text}
		for _, t := range inc.members {
			one.Members = append(one.Members, keptMemb{Name: t.of.name, Job: t.of.job, Since: t.since, Text: t.text, Rank: slices.Index(ranks, t.severity)})
		}
		for name, at := range inc.told {
			if at.Status != (alert.Status{}) {
				one.Told = append(one.Told, keptPlace{
					Place: name, Phase: int(at.Phase), Since: at.Since, Told: at.Told, Ref: at.Ref.String(), Doubt: at.Doubt,
					N: at.view.n, Rank: at.view.rank, Set: at.view.set,
				})
			}
		}
		k.Incidents = append(k.Incidents, one)
	}
	for _, name := range slices.Sorted(maps.Keys(b.records)) {
		m := b.records[name]
		if len(m.takeovers) > 0 || m.failures > 0 || len(m.marks) > 0 {
			k.Records = append(k.Records, keptRecord{Name: name, Takeovers: m.takeovers, Failures: m.failures, Failed: m.failed, Marks: m.marks})
		}
	}
	return json.Marshal(k)
}

// restore takes in what a file holds, and returns when it was written.
func (b *book) restore(data []byte) (time.Time, error) {
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return time.Time{}, err
	}
	if k.Schema != keptSchema {
		return time.Time{}, fmt.Errorf("its schema is %q, want %q", k.Schema, keptSchema)
	}
	for _, r := range k.Records {
		m := b.record(r.Name)
		m.takeovers, m.failures, m.failed, m.marks = r.Takeovers, r.Failures, r.Failed, r.Marks
		m.takeovers = m.takeovers[max(0, len(m.takeovers)-b.rules.Takeovers):]
	}
	for _, one := range k.Incidents {
		if _, known := phrases[one.Kind]; !known && one.Kind != Gap {
			continue // of another version
		}
		s := subject{one.Kind, one.Name}
		inc := &incident{
			subject: s, job: one.Job, since: one.Since, most: one.Most, worst: min(max(one.Worst, 0), len(ranks)-1), text: one.Text,
			members: map[string]*trouble{}, told: map[string]*told{},
		}
		b.incidents[s] = inc
		for _, w := range one.Members {
			m := b.record(w.Name)
			m.job = w.Job
			t := &trouble{kind: one.Kind, of: m, since: w.Since, text: w.Text, in: inc}
			if w.Rank > 0 && w.Rank < len(ranks) {
				t.severity = ranks[w.Rank]
			}
			m.add(t)
			inc.members[w.Name] = t
		}
		for _, p := range one.Told {
			if p.Phase < 0 || p.Phase > int(alert.OwesPassed) || !slices.ContainsFunc(b.places, func(at Place) bool { return at.Name == p.Place }) {
				continue // nobody is told there any more
			}
			inc.told[p.Place] = &told{
				Status: alert.Status{Phase: alert.Phase(p.Phase), Since: p.Since, Told: p.Told, Ref: alert.ParseReference(p.Ref), Doubt: p.Doubt},
				view:   view{p.N, p.Rank, p.Set},
			}
		}
	}
	return k.Time, nil
}

// away has every place told that the observer did not look for a while.
func (b *book) away(from, to time.Time) {
	if b.rules.Gap == 0 || to.Sub(from) < b.rules.Gap {
		return
	}
	inc := &incident{
		subject: subject{kind: Gap}, since: from.Unix(), worst: slices.Index(ranks, notify.Warning), told: map[string]*told{},
		text: fmt.Sprintf("From %s to %s, for %s, this observer did not look: it was stopped, or its machine was. Nothing was told in that time; what went wrong in it and still is follows.",
			from.UTC().Format(timeForm), to.UTC().Format(timeForm), lasting(seconds(to.Sub(from)))),
	}
	for _, p := range b.places {
		inc.told[p.Name] = &told{Status: alert.Status{Phase: alert.OwesPassed, Since: from.Unix()}}
	}
	b.incidents[inc.subject] = inc
}

// readFile returns what a file holds; nothing if there is none.
func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// writeFile replaces a file as a whole, or leaves it as it is.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the renaming, as it should
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
