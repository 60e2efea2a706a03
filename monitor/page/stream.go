package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/monitor"
)

const (
	// heartbeat keeps proxies from taking a quiet stream for a dead one, and finds
	// out that a reader has gone.
	heartbeat = 15 * time.Second
	// pace is how far apart two messages are at least: what is seen meanwhile comes
	// together.
	pace = time.Second
	// stuckTime is how long a reader may take for one message.
	stuckTime = 10 * time.Second
	// mostNames and mostEvents bound one message.
	mostNames, mostEvents = 100, 100
)

// A message is what a stream tells: which records were looked at, and what that
// has shown. Its id is that of the newest event, from which a reader that comes
// back goes on.
type message struct {
	Now    time.Time       `json:"now"`
	Names  []string        `json:"names,omitempty"`
	Events []monitor.Event `json:"events,omitempty"`
	// Refresh says that there is more than this message has.
	Refresh bool `json:"refresh,omitempty"`
}

// events is a stream of what is seen, of all records or of the one in the query's
// name.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	if !takesStream(r) {
		http.Error(w, "this is a stream without end, of text/event-stream", http.StatusNotAcceptable)
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many streams are open; ask for the page every few seconds", http.StatusServiceUnavailable)
		return
	}
	name := r.URL.Query().Get("name")
	updates, cancel := s.History.Subscribe(64)
	defer cancel()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	out := &stream{w: w, control: http.NewResponseController(w), now: s.Now}
	if out.begin(s.since(name, r.Header.Get("Last-Event-ID"))) == nil {
		out.follow(r, name, updates)
	}
}

// since is the first message: what a reader has missed, or that it had better ask
// for everything. id is that of the newest event.
func (s *server) since(name, last string) (message, uint64) {
	all := s.History.Events(name, 0, mostEvents+1)
	var newest uint64
	if len(all) > 0 {
		newest = all[0].ID
	}
	m := message{}
	if last == "" {
		return m, newest
	}
	from, err := strconv.ParseUint(last, 10, 64)
	missed := slices.IndexFunc(all, func(e monitor.Event) bool { return e.ID <= from })
	switch {
	case err != nil, from > newest: // of another history: this one began anew
		m.Refresh = true
	case missed < 0 && len(all) > 0:
		m.Refresh = true
	case missed > 0:
		m.Events = all[:missed]
		slices.Reverse(m.Events)
	}
	return m, newest
}

// A stream writes messages to one reader.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
	id      uint64
}

func (o *stream) begin(m message, id uint64) error {
	o.id = id
	if err := o.write([]byte("retry: 3000\n\n")); err != nil {
		return err
	}
	return o.send(m)
}

// send writes one message, or gives the reader up.
func (o *stream) send(m message) error {
	m.Now = o.now().UTC().Truncate(time.Millisecond)
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: seen\nid: %d\ndata: %s\n\n", o.id, data)
	return o.write(b.Bytes())
}

func (o *stream) write(b []byte) error {
	// Not every writer has deadlines; the server's own does.
	_ = o.control.SetWriteDeadline(time.Now().Add(stuckTime))
	if _, err := o.w.Write(b); err != nil {
		return err
	}
	return o.control.Flush()
}

// follow tells of what is seen until the reader goes.
func (o *stream) follow(r *http.Request, name string, updates <-chan monitor.Update) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	turn := time.NewTimer(0)
	turn.Stop()
	var m message
	var sent time.Time
	waiting := false
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case u := <-updates:
			if !m.take(u, name) || waiting {
				continue
			}
			waiting = true
			turn.Reset(pace - min(time.Since(sent), pace))
		case <-turn.C:
			for _, e := range m.Events {
				o.id = max(o.id, e.ID)
			}
			err = o.send(m)
			m, waiting, sent = message{}, false, time.Now()
			beat.Reset(heartbeat)
		case <-beat.C:
			err = o.write([]byte(": still here\n\n"))
		}
		if err != nil {
			return
		}
	}
}

// take adds an update, and says whether it concerns the reader.
func (m *message) take(u monitor.Update, name string) bool {
	m.Refresh = m.Refresh || u.Lost
	if name != "" && u.Name != name {
		return u.Lost
	}
	switch {
	case slices.Contains(m.Names, u.Name):
	case len(m.Names) < mostNames:
		m.Names = append(m.Names, u.Name)
	default:
		m.Refresh = true
	}
	if len(m.Events)+len(u.Events) > mostEvents {
		m.Refresh = true
		u.Events = u.Events[:mostEvents-len(m.Events)]
	}
	m.Events = append(m.Events, u.Events...)
	return true
}

// takesStream says whether who asks would read a stream. Agents have another kind of
// events at a path of the same name, and who takes this for an agent would wait.
func takesStream(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return accept == "" || strings.Contains(accept, "text/event-stream") || strings.Contains(accept, "*/*") || strings.Contains(accept, "text/*")
}
