package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/command"
)

// A desk is an endpoint in front of an in-house DNS: what it holds has a version,
// and comparing and writing are one step, under the lock.
type desk struct {
	mu      sync.Mutex
	written int
	records map[string]held
}

// held is what is at a name; nothing has the empty tag.
type held struct {
	Outcome string   `json:"outcome"`
	Texts   []string `json:"texts"`
	Tag     string   `json:"tag,omitempty"`
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer hunter2" {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	var asked struct {
		Op, Name string
		Old      struct{ Tag string }
		New      []string
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	answer := d.records[asked.Name]
	switch {
	case asked.Op == "load":
		answer.Outcome, answer.Texts = "ok", append([]string{}, answer.Texts...)
	case asked.Old.Tag != answer.Tag:
		answer = held{Outcome: "conflict"}
	default: // here it would be written to the zone
		d.written++
		answer = held{"done", asked.New, strconv.Itoa(d.written)}
		if len(asked.New) == 0 {
			answer.Tag = ""
		}
		if d.records == nil {
			d.records = map[string]held{}
		}
		d.records[asked.Name] = answer
	}
	json.NewEncoder(w).Encode(answer)
}

func Example() {
	server := httptest.NewServer(&desk{})
	defer server.Close()

	client, err := command.New(command.Config{URL: server.URL, Token: register.NewSecret("hunter2"), Class: register.Exact})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	r, err := client.Register("canary.example.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	first, err := r.Swap(context.Background(), register.Snapshot{}, []string{"first"})
	fmt.Println(first.Texts, err)
	second, err := r.Swap(context.Background(), first, []string{"second"})
	fmt.Println(second.Texts, err)
	_, err = r.Swap(context.Background(), first, []string{"third"})
	fmt.Println(errors.Is(err, register.ErrConflict), err)
	// Output:
	// [first] <nil>
	// [second] <nil>
	// true command: swap canary.example.com: the register no longer holds what was read
}
