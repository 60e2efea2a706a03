package notifytest

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// What a fault does to a request.
const (
	LoseReply = "lose_reply" // it is done, and the connection ends without an answer
	Fail      = "fail"       // it is not done, and answered 500
	FailAfter = "fail_after" // it is done, and answered 500
	Busy      = "busy"       // it is not done, and answered 429
	Delay     = "delay"      // it is done, and answered later
	Refuse    = "refuse"     // it is not done, and answered with the error Word
)

// A Fault befalls requests, the earliest that it fits.
type Fault struct {
	What   string        `json:"what"`             // LoseReply, Fail, FailAfter, Busy, Delay or Refuse
	Method string        `json:"method,omitempty"` // only this one, such as chat.postMessage, or webhook; empty: any
	Times  int           `json:"times,omitempty"`  // how many requests; 0: 1
	Word   string        `json:"word,omitempty"`   // of Refuse: the error, such as channel_not_found
	For    time.Duration `json:"for,omitempty"`    // of Delay; of Busy: what Retry-After says, in whole seconds; in JSON nanoseconds
}

// Add adds a fault.
func (s *Slack) Add(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Times = cmp.Or(f.Times, 1)
	s.faults = append(s.faults, f)
}

// fault takes the fault for a request, if there is one.
func (s *Slack) fault(method string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.faults {
		f := &s.faults[i]
		if f.Times > 0 && (f.Method == "" || f.Method == method) {
			f.Times--
			return *f
		}
	}
	return Fault{}
}

// before does what a fault does before a request is served; it says whether the
// request has had its answer.
func (f Fault) before(w http.ResponseWriter) bool {
	switch f.What {
	case Fail:
		http.Error(w, "fault", http.StatusInternalServerError)
		return true
	case Busy:
		busy(w, f.For)
		return true
	}
	return false
}

// after does what a fault does once a request was served; it says whether the
// request has had its answer.
func (f Fault) after(w http.ResponseWriter, r *http.Request) bool {
	switch f.What {
	case LoseReply:
		panic(http.ErrAbortHandler)
	case FailAfter:
		http.Error(w, "fault", http.StatusInternalServerError)
		return true
	case Delay:
		timer := time.NewTimer(f.For)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	return false
}

// busy answers that there were too many messages.
func busy(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusTooManyRequests)
	io.WriteString(w, `{"ok":false,"error":"ratelimited"}`)
}

// serveTest is for tests in other processes.
func (s *Slack) serveTest(w http.ResponseWriter, r *http.Request) {
	var answer any
	switch r.Method + " " + r.URL.Path {
	case "GET /test/messages":
		answer = s.Messages()
	case "GET /test/refused":
		answer = s.Refused()
	case "POST /test/fault":
		var f Fault
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.Add(f)
		answer = f
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(answer)
}

// Main serves until the context ends, as a program of its own would: its flags
// are -listen, -token, -channel (an ID) and -rate. The first line that it prints
// is where it listens, as a URL, and the second the URL of its webhook.
func Main(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("slack", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address and port")
	token := flags.String("token", "xoxb-test", "the bot's token")
	channel := flags.String("channel", "C024BE91L", "the ID of the channel")
	rate := flags.Duration("rate", 0, "how long a channel takes no message after one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	s := &Slack{Token: *token, Channels: []Channel{{ID: *channel, Name: "ops"}}, RateLimit: *rate}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	fmt.Fprintf(stdout, "http://%s\nhttp://%s%s\n", l.Addr(), l.Addr(), s.Hook())
	if err := server.Serve(l); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
