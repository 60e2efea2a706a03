package steps

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/solotick/solotick/internal/expression"
)

// Names are what every expression of a job may use, beside steps.
func Names() expression.Env {
	return expression.Env{
		"job": "", "record": "", "agent": "", "tick": 0, "timer": 0, "at": time.Time{}, "attempt": 0, "fence": 0,
		"last": "", "state": "", "unarbitrated": false,
	}
}

// AlertNames are those of an alert's texts, beside Names: when the condition
// turned true, and what is told, one of firing, reminder, cleared and passed.
func AlertNames() expression.Env {
	return expression.Env{"since": time.Time{}, "kind": ""}
}

// FailureNames are those of the texts of on_failure, beside AlertNames: the step
// that failed, why, and how.
func FailureNames() expression.Env {
	return expression.Env{"step": "", "error": "", "result": ""}
}

// names are the values of Names.
func (r *Run) names() map[string]any {
	v := map[string]any{
		"job": r.Job, "record": r.Record, "agent": r.Agent, "tick": int(r.Tick.Unix()), "timer": 0, "at": r.Tick.UTC(), "attempt": r.Attempt,
		"fence": int(r.Fence), "last": r.Last, "state": r.State, "unarbitrated": r.Unarbitrated,
	}
	if !r.Next.IsZero() {
		v["timer"] = int(r.Next.Unix())
	}
	return v
}

// A Kind is what a step does.
type Kind string

// The kinds of steps, as they are called in a file.
const (
	KindHTTP  Kind = "http"
	KindExec  Kind = "exec"
	KindAlert Kind = "alert"
	KindSet   Kind = "set"
)

// OutputNames are what a step of a kind brings back: what stands behind its id
// in the expressions of later steps, and without it in its own expect.
func OutputNames(k Kind) expression.Env {
	e := expression.Env{"ran": false, "ok": false, "error": "", "took": 0.0}
	switch k {
	case KindHTTP:
		maps.Copy(e, expression.Env{"status": 0, "headers": map[string]string{}, "json": expression.Any, "text": "", "tries": 0})
	case KindExec:
		maps.Copy(e, expression.Env{"code": 0, "json": expression.Any, "text": ""})
	case KindAlert:
		maps.Copy(e, expression.Env{"firing": false, "told": ""})
	case KindSet:
	}
	return e
}

// nothing is the output of a step that did not run.
func nothing(k Kind) map[string]any {
	out := map[string]any{"ran": false, "ok": false, "error": "", "took": 0.0}
	switch k {
	case KindHTTP:
		maps.Copy(out, map[string]any{"status": 0, "headers": map[string]string{}, "json": nil, "text": "", "tries": 0})
	case KindExec:
		maps.Copy(out, map[string]any{"code": 0, "json": nil, "text": ""})
	case KindAlert:
		maps.Copy(out, map[string]any{"firing": false, "told": ""})
	case KindSet:
	}
	return out
}

// mayBeJSON says whether a text begins as JSON does.
func mayBeJSON(text string) bool {
	t := strings.TrimSpace(text)
	return t != "" && strings.ContainsRune(`{["-0123456789tfn`, rune(t[0]))
}

// decoded is the value of a text that is JSON; nil: it is none.
func decoded(text string) any {
	if !mayBeJSON(text) {
		return nil
	}
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return nil
	}
	return v
}
