package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/solotick/solotick/register"
)

// version is that of the protocol.
const version = 1

// A request is what the program gets.
type request struct {
	Version int    `json:"version"`
	Op      string `json:"op"`
	Name    string `json:"name"`
	TTL     int64  `json:"ttl"`
}

type swapRequest struct {
	request
	Old state    `json:"old"`
	New []string `json:"new"`
}

// A state is what is at the name: what a Tag of a snapshot is made of.
type state struct {
	Texts []string `json:"texts"` // sorted
	Tag   string   `json:"tag,omitempty"`
}

// An answer is what the program says.
type answer struct {
	Outcome string    `json:"outcome"`
	Texts   *[]string `json:"texts"`
	Tag     string    `json:"tag"`
	Time    int64     `json:"time"`
	Message string    `json:"message"`
}

// A reply is an answer as it came, and when by the server's clock, if that told.
type reply struct {
	body []byte
	at   time.Time
}

// A doubt is the error of a request that may have been dealt with.
type doubt struct{ error }

// record is the register of one name.
type record struct {
	client *Client
	name   string
}

func (r *record) fail(op string, err error) error {
	return fmt.Errorf("command: %s %s: %w", op, r.name, err)
}

func (r *record) request(op string) request {
	return request{Version: version, Op: op, Name: r.name, TTL: r.client.ttl}
}

// byHand is a load as somebody would ask for it in a shell.
func (r *record) byHand() string {
	text, _ := json.Marshal(r.request("load")) // it has nothing that cannot be
	return string(text)
}

// Load implements register.Register.
func (r *record) Load(ctx context.Context) (register.Snapshot, error) {
	s, err := r.load(ctx)
	if err != nil {
		return register.Snapshot{}, r.fail("load", err)
	}
	return s, nil
}

func (r *record) load(ctx context.Context) (register.Snapshot, error) {
	a, at, err := r.ask(ctx, r.request("load"))
	if err == nil {
		switch {
		case a.Outcome == "ok" && a.Texts != nil:
			return snapshot(*a.Texts, a.Tag, at), nil
		case a.Outcome == "ok":
			err = errors.New("the answer is ok, and has no texts")
		default:
			err = r.told(a)
		}
	}
	var d doubt
	if errors.As(err, &d) {
		err = d.error // nothing was to be changed
	}
	return register.Snapshot{}, err
}

// Swap implements register.Register.
func (r *record) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	was, err := stateOf(old)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return register.Snapshot{}, r.fail("swap", errors.New("a text that is no UTF-8 cannot be sent as JSON"))
		}
	}
	if len(was.Texts) == 0 && len(texts) == 0 {
		return r.still(ctx)
	}
	a, at, err := r.ask(ctx, swapRequest{r.request("swap"), was, append([]string{}, texts...)})
	if err == nil {
		switch {
		case a.Outcome == "done" && a.Texts != nil:
			return snapshot(*a.Texts, a.Tag, at), nil
		case a.Outcome == "done":
			return snapshot(texts, a.Tag, at), nil
		case a.Outcome == "conflict":
			err = because(register.ErrConflict, a.Message)
		case a.Outcome == "uncertain":
			err = because(register.ErrUncertain, a.Message)
		default:
			err = r.told(a)
		}
	}
	var d doubt
	if errors.As(err, &d) {
		err = fmt.Errorf("%w: %w", register.ErrUncertain, d.error)
	}
	return register.Snapshot{}, r.fail("swap", err)
}

// still is the swap of nothing for nothing, which no program is asked for.
func (r *record) still(ctx context.Context) (register.Snapshot, error) {
	s, err := r.load(ctx)
	if err == nil && len(s.Texts) > 0 {
		err = register.ErrConflict
	}
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	return s, nil
}

// told is the error of an answer to either operation.
func (r *record) told(a answer) error {
	switch a.Outcome {
	case "refused":
		return because(register.ErrRefused, a.Message)
	case "failed":
		return because(errors.New("not done"), a.Message)
	}
	return doubt{fmt.Errorf("the answer's outcome is %q", line(a.Outcome))}
}

func because(err error, message string) error {
	if message == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, message)
}

// ask sends a request and takes the answer apart.
func (r *record) ask(ctx context.Context, request any) (answer, time.Time, error) {
	c := r.client
	var none time.Time
	text, err := json.Marshal(request)
	if err != nil {
		return answer{}, none, err
	}
	if err := ctx.Err(); err != nil {
		return answer{}, none, fmt.Errorf("not sent: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	c.requests.Add(1)
	said, err := c.ask(ctx, append(text, '\n'))
	if err != nil {
		return answer{}, none, err
	}
	var a answer
	switch {
	case len(said.body) == 0:
		return answer{}, none, doubt{errors.New("the answer is empty")}
	case len(said.body) > maxAnswer:
		return answer{}, none, doubt{errors.New("the answer is longer than 1 MiB")}
	case !utf8.Valid(said.body) || json.Unmarshal(said.body, &a) != nil:
		return answer{}, none, doubt{fmt.Errorf("the answer, of %d bytes, is no JSON object as the protocol has them", len(said.body))}
	}
	if a.Message = line(a.Message); c.token != "" && strings.Contains(a.Message, c.token) {
		a.Message = ""
	}
	if a.Time > 0 {
		said.at = time.Unix(a.Time, 0)
	}
	return a, said.at, nil
}

// snapshot is a state for others. Nothing is the same version wherever it is.
func snapshot(texts []string, tag string, at time.Time) register.Snapshot {
	s := register.Snapshot{Time: at}
	if len(texts) == 0 {
		return s
	}
	s.Texts = slices.Clone(texts)
	sorted := slices.Sorted(slices.Values(texts))
	text, _ := json.Marshal(state{sorted, tag}) // texts and a text can be
	s.Tag = string(text)
	return s
}

// stateOf is the state that a snapshot saw.
func stateOf(old register.Snapshot) (state, error) {
	if len(old.Texts) == 0 {
		return state{Texts: []string{}}, nil
	}
	var s state
	if json.Unmarshal([]byte(old.Tag), &s) != nil || len(s.Texts) == 0 {
		return s, errors.New("the old snapshot is none of this kind of register")
	}
	return s, nil
}

// line is a text in one line, and not much of it.
func line(text string) string {
	const most = 400
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
