package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/monitor"
)

// A watchList is which records are watched: those that the command line names, or
// the jobs of the file, and those of a file of names.
type watchList struct {
	app   *app
	q     *query
	names string // a file; empty: none
	log   *slog.Logger

	mu   sync.Mutex // of now, which operators read
	now  watched
	seen string    // the hashes of what was read last, good or bad
	next time.Time // when a list of jobs elsewhere is read again
	bad  string    // why the newest names are not in force, as it was said
}

// watched are the records of one reading.
type watched struct {
	targets  []monitor.Target
	config   *config.Config    // nil: no file was needed
	dns      *config.DNS       // of config
	register *monitor.Register // the same, for people
}

// newWatchList reads for the first time.
func (a *app) newWatchList(ctx context.Context, q *query, names string, log *slog.Logger) (*watchList, error) {
	l := &watchList{app: a, q: q, names: names, log: log}
	l.seen = l.hash()
	w, err := l.read(ctx)
	l.now, l.next = w, time.Now().Add(time.Minute)
	return l, err
}

// mostNames is how long a file of names may be, in bytes.
const mostNames = 8 << 20

// readNames reads a file of names: one a line, and behind # what is for people.
func readNames(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > mostNames {
		err = fmt.Errorf("%s: longer than %d bytes", path, mostNames)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, &failure{code: exitConfig, err: err, means: "nothing was started", do: "name a file with one name a line: --names-from FILE"}
	}
	var all []string
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		name := strings.TrimSpace(line)
		if name == "" {
			continue
		}
		if err := checkDNSName(strings.TrimSuffix(name, ".")); err != nil {
			return nil, &failure{code: exitConfig, err: fmt.Errorf("%s:%d: %q is no name: %w", path, n, name, err), means: "nothing was started"}
		}
		all = append(all, name)
	}
	return all, nil
}

// read finds what there is to watch.
func (l *watchList) read(ctx context.Context) (watched, error) {
	q := *l.q
	q.names = slices.Clone(q.names)
	if l.names != "" {
		more, err := readNames(l.names)
		if err != nil {
			return watched{}, err
		}
		q.names = append(q.names, more...)
	}
	w := watched{}
	var sites []site
	var err error
	switch {
	case l.names != "" && len(q.names) == 0: // an empty file is not all jobs
	case l.fileless(q.names):
		sites, err = l.app.asked(&q)
	default:
		if w.config, err = l.app.lookConfig(q.file); err != nil {
			return watched{}, orByName(err)
		}
		c := *w.config
		if c.Jobs, err = l.app.allJobs(ctx, w.config); err != nil {
			return watched{}, err
		}
		w.config, w.dns = &c, &c.DNS
		w.register = &monitor.Register{Provider: c.DNS.Provider, Zone: c.DNS.Zone, Class: classOf(c.DNS).String()}
		sites, err = findSites(&c, q.names)
	}
	if err == nil {
		err = q.addKeys(sites, w.config)
	}
	if err != nil {
		return watched{}, err
	}
	known := map[string]bool{}
	for _, s := range sites {
		if err := checkDNSName(s.name); err != nil {
			return watched{}, usage("%q is no DNS name: %w", s.name, err)
		}
		if !known[s.name] {
			known[s.name] = true
			w.targets = append(w.targets, s.target())
		}
	}
	return w, nil
}

// fileless says that no file has to be read for the names.
func (l *watchList) fileless(names []string) bool {
	return l.q.file == "" && len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return !strings.Contains(n, ".") })
}

// hash is that of all texts that say what is watched.
func (l *watchList) hash() string {
	all := ""
	if l.names != "" {
		sum, err := hashFile(l.names)
		all += fmt.Sprint(sum, err)
	}
	if path, err := l.app.configPath(l.q.file); err == nil {
		sum, err := hashFile(path)
		all += fmt.Sprint(" ", sum, err)
	}
	return all
}

// look reads again if something has changed, or if it has to. What cannot be read is
// said once, and the old names stay.
func (l *watchList) look(ctx context.Context, must bool) (gone []string, changed bool) {
	elsewhere := l.now.config != nil && l.now.config.From != nil && time.Now().After(l.next)
	sum := l.hash()
	if sum == l.seen && !must && !elsewhere {
		return nil, false
	}
	l.seen, l.next = sum, time.Now().Add(time.Minute)
	ctx, cancel := context.WithTimeout(ctx, whole)
	defer cancel()
	w, err := l.read(ctx)
	if err != nil {
		if err.Error() != l.bad || must {
			l.log.Error("what is to be watched cannot be read; what was watched before is watched on", "err", err)
		}
		l.bad = err.Error()
		return nil, false
	}
	if l.bad != "" {
		l.log.Info("what is to be watched can be read again")
		l.bad = ""
	}
	if l.now.dns != nil && w.dns != nil && !slices.Equal(outside(l.now.dns), outside(w.dns)) {
		l.log.Warn("dns: whom records are asked of changes when serve is started again")
	}
	here := map[string]bool{}
	for _, t := range w.targets {
		here[t.Name] = true
	}
	for _, t := range l.now.targets {
		if !here[t.Name] {
			gone = append(gone, t.Name)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	changed = !reflect.DeepEqual(l.now.targets, w.targets)
	l.now = w
	return gone, changed
}

// current are the records as they are watched now.
func (l *watchList) current() watched {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}
