package expression_test

import (
	"errors"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/expression"
)

// FuzzExpression: whoever writes a job's expressions, and whatever a step has
// answered, an evaluation ends, soon, with a value or with an error in words.
func FuzzExpression(f *testing.F) {
	for _, source := range []string{
		"tick % 60 == 0", `steps.backups.json.items | filter(.age_h > 24) | map(.name)`, `steps.backups.status in [200, 204] && job matches "^can"`,
		`len(steps.backups.json.items) > 1 ? "a" : nil`, `"${ job }: ${ steps.backups.text }"`, "${ job", "1..1e9", `repeat("x", 1e9)`, "at.Unix() + tick",
		`let x = steps.backups.headers["content-type"]; x ?? "none"`, `toJSON(steps) | fromJSON()`, `[1,2,3] | reduce(#acc + #, 0)`, `{"a": {"b": 1}}?.a?.b`, `1 / 0`, `"a" * 2`, `sort([3, "a", nil])`,
		`map(1..1000, map(1..1000, map(1..1000, #)))`, "date(\"2026-11-26\") - duration(\"1h\")", `job | split("") | join(",") | upper() | trim()`,
	} {
		f.Add(source)
	}
	c := expression.NewCompiler(env)
	f.Fuzz(func(t *testing.T, source string) {
		began := time.Now()
		said := func(err error) {
			var mistake *expression.Error
			if err != nil && (err.Error() == "" || errors.As(err, &mistake) && mistake.Message == "") {
				t.Errorf("%q: an error without words", source)
			}
		}
		if p, err := c.Condition(source); err == nil {
			_, err = p.Bool(vars(items))
			said(err)
		} else {
			said(err)
		}
		if p, err := c.Value(source); err == nil {
			_, err = p.Eval(vars(items))
			said(err)
		}
		if text, err := c.Text(source, nil); err == nil {
			_, err = text.Render(vars(items))
			said(err)
			text.Show(nil)
		} else {
			said(err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%q took %s", source, took)
		}
	})
}
