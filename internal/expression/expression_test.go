package expression_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/expression"
)

var env = expression.Env{
	"job":  "",
	"tick": 0,
	"at":   time.Time{},
	"steps": expression.Env{
		"backups": expression.Env{"status": 0, "headers": map[string]string{}, "json": expression.Any, "text": "", "took": 0.0},
	},
}

func vars(json any) map[string]any {
	return map[string]any{
		"job": "canary", "tick": 1641903970, "at": time.Unix(1641903970, 0).UTC(),
		"steps": map[string]any{"backups": map[string]any{
			"status": 200, "headers": map[string]string{"content-type": "application/json"}, "json": json, "text": "hello", "took": 0.25,
		}},
	}
}

var items = map[string]any{"items": []any{
	map[string]any{"name": "a", "age_h": 30.0}, map[string]any{"name": "b", "age_h": 2.0},
}}

func TestCondition(t *testing.T) {
	c := expression.NewCompiler(env)
	for _, tt := range []struct {
		source string
		want   bool
	}{
		{"steps.backups.status == 200", true},
		{"any(steps.backups.json.items, .age_h > 24)", true},
		{"len(steps.backups.json.items) > 5 or job == 'canary'", true},
		{`steps.backups.headers["content-type"] startsWith "application/json"`, true},
		{"steps.backups.took > 1", false},
		{"steps.backups.json.nothing?.at?.all ?? false", false},
		{`join(map(steps.backups.json.items, .name), "+") == "a+b"`, true},
		{`len(uniq([1, 2, 2, 3])) == 3 and repeat("ab", 2) == "abab" and replace("aXa", "X", "-") == "a-a"`, true},
		{`string(1.5) + string(true) + string([1]) == "1.5true[1]"`, true},
		{`fromJSON(toJSON({"a": [1, 2]})).a[1] == 2`, true},
		{`upper("a") + "b" matches "^Ab$"`, true},
		{`reduce(1..10, #acc + #, 0) == 55`, true},
		{`sum(filter(1..10, # % 2 == 0), # * 2) == 60`, true},
		{`tick > 0 && duration("1h").Seconds() == 3600`, true},
		{`job matches "^can" and not (job matches "x") and not (steps.backups.json.nothing matches "x")`, true},
		{`job matches steps.backups.json.items[0].name and repeat(job, 1000) matches "(canary)+$"`, true},
		{`"a" in map(steps.backups.json.items, .name) and "c" not in map(steps.backups.json.items, .name)`, true},
		{`not ("a" in steps.backups.json.nothing) and "items" in steps.backups.json and "content-type" in steps.backups.headers`, true},
		{`split("a,b,c", ",", 2) == ["a", "b,c"] and splitAfter("a,b", ",") == ["a,", "b"]`, true},
		{`flatten([1, [2, [3]]]) == [1, 2, 3] and max([1, [5]], 2) == 5 and median([1, 2, 3]) == 2 and sum([1, 2]) == 3`, true},
		{`steps.backups.json.items == steps.backups.json.items and steps.backups.json.items != [1]`, true},
		{`date("2026-01-02").Format("02.01.") == "02.01."`, true},
	} {
		p, err := c.Condition(tt.source)
		if err != nil {
			t.Errorf("%s: %v", tt.source, err)
			continue
		}
		if got, err := p.Bool(vars(items)); err != nil || got != tt.want {
			t.Errorf("%s: %v, %v; want %v", tt.source, got, err, tt.want)
		}
	}
}

// TestMistakes finds mistakes before anything is run, with their places.
func TestMistakes(t *testing.T) {
	c := expression.NewCompiler(env)
	for _, tt := range []struct {
		source, message, hint string
		column                int
	}{
		{"steps.backup.status == 200", "backup", `did you mean "backups"?`, 7},
		{"steps.backups.statsu >= 500", "statsu", `did you mean "status"?`, 15},
		{"jbo == 'x'", "jbo", `did you mean "job"?`, 1},
		{"steps.backups.status >= \"500\"", "mismatched types int and string", "", 22},
		{"steps.backups.status", "bool", "", 0},
		{"job = 'x'", "unexpected token", "==", 5},
		{"job == ", "unexpected token EOF", "", 7},
		{"", "no expression", "", 0},
		{strings.Repeat("1 + ", 2000) + "1 == 1", "4096", "", 0},
	} {
		_, err := c.Condition(tt.source)
		var e *expression.Error
		if !errors.As(err, &e) {
			t.Errorf("%.40s: %v, want an Error", tt.source, err)
			continue
		}
		if !strings.Contains(e.Message, tt.message) || !strings.Contains(e.Hint, tt.hint) || tt.column != 0 && e.Column != tt.column {
			t.Errorf("%.40s: %d: %q, %q; want %d: %q, %q", tt.source, e.Column, e.Message, e.Hint, tt.column, tt.message, tt.hint)
		}
	}
}

func TestRuntimeErrors(t *testing.T) {
	c := expression.NewCompiler(env)
	for source, want := range map[string]string{
		"steps.backups.json.items[0].name == 'a'":              "?.",
		"steps.backups.json > 3":                               "steps.backups.json > 3: ",
		"any(steps.backups.json, true)":                        "not there",
		`split(steps.backups.json, ",") == []`:                 "not there",
		`fromJSON(steps.backups.json) == nil`:                  "not there",
		`"(" matches steps.backups.json ?? "("`:                "missing closing )",
		`job matches "` + strings.Repeat("(x{990})", 20) + `"`: "pattern is too large",
	} {
		p, err := c.Condition(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if _, err := p.Bool(vars(nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

// shared is an expression in which a value holds the one before twice, 40 times.
func shared(two, last string) string {
	var b strings.Builder
	b.WriteString("let a0 = [1]; ")
	for i := range 40 {
		fmt.Fprintf(&b, "let a%d = %s; ", i+1, strings.ReplaceAll(two, "$", fmt.Sprintf("a%d", i)))
	}
	return b.String() + last
}

// TestBounds tries to take the machine's time and memory.
func TestBounds(t *testing.T) {
	list := make([]any, 200_000)
	for i := range list {
		list[i] = float64(i)
	}
	nested := strings.Repeat("[", 99) + strings.Repeat("1,", 250_000) + "1" + strings.Repeat("]", 99)
	data := map[string]any{
		"list": list, "big": strings.Repeat("x", 1<<20), "control": strings.Repeat("\x01", 1<<20), "nested": nested,
		"lists": "[" + strings.Repeat("[],", 1<<20) + "[]]",
	}
	const in = "steps.backups.json"
	often := func(source string) string {
		return "let l = " + in + ".list; any(1..60000, " + strings.Repeat(source+" or ", 100) + "false)"
	}
	for _, source := range []string{
		`all(1..1000, all(1..1000, all(1..1000, true)))`,
		`all(` + in + `.list, all(` + in + `.list, all(` + in + `.list, true)))`,
		`sum(` + in + `.list, sum(` + in + `.list, #)) < 0`,
		`any(` + in + `.list, -1 in ` + in + `.list)`,
		`len(reduce(1..60, #acc + #acc, "aaaa")) > 0`,
		`len(reduce(1..60, #acc + #acc, ` + in + `.big)) > 0`,
		`let a = ` + in + `.big; let b = replace(a, "x", a); let c = replace(b, "x", b); len(c) > 0`,
		`len(repeat("x", 1000000000)) > 0`,
		`len(repeat("x", 9223372036854775807)) > 0`,
		`len(join(map(1..100000, ` + in + `.big), ",")) > 0`,
		`len(toJSON(map(1..100000, ` + in + `.big))) > 0`,
		`len(string(map(1..100000, ` + in + `.big))) > 0`,
		`len(map(1..1000, split(` + in + `.big, ""))) > 0`,
		`len(reduce(1..40, concat(#acc, #acc), [1, 2, 3, 4])) > 0`,
		`len(reduce(1..40, [#acc, #acc], [1])) > 0 and len(string(reduce(1..40, [#acc, #acc], [1]))) > 0`,
		`len(reduce(1..200, toBase64(#acc), "aaaaaaaaaaaaaaaa")) > 0`,
		`len(reduce(1..200, upper(#acc + "ß"), ` + in + `.big)) > 0`,
		`len(1..100000000) > 0`,
		`len(uniq(map(` + in + `.list, ` + in + `.big))) > 0`,
		`len(map(1..1000, fromJSON("[" + join(map(1..10000, "1"), ",") + "]"))) > 0`,
		`len(map(1..100, sort(` + in + `.list))) > 0`,
		`max(reduce(1..60, [#acc, #acc], [1])) > 0`,
		`len(flatten(reduce(1..60, [#acc, #acc], [1]))) > 0`,
		`len(flatten(map(1..1000, ` + in + `.list))) > 0`,
		`let a = reduce(1..60, [#acc, #acc], [1]); let b = reduce(1..60, [#acc, #acc], [1]); a in [b]`,
		often("-1 in l"), often("l != l"), often("max(l) < 0"), often("sum(l) < 0"),
		in + `.big matches "(x|y){900}z"`,
		in + `.big matches ("(x|y){900}" + "z")`,
		`len(toJSON(fromJSON(` + in + `.nested))) > 0`,
		`len(fromJSON(` + in + `.lists + ` + in + `.big)) > 0`,
		`len(string(map(1..28, ` + in + `.control))) > 0`,
		`len(map(1..1000, date("2026-01-02").Format(repeat("2006", 1000000)))) > 0`,
		// What is shared counts as often as it is there: else it doubles with each word.
		shared(`[$, $]`, `a40 == [a40[0], a40[1]]`),
		shared(`[$, $]`, `[a40[0], a40[1]] in [a40]`),
		shared(`[$, $]`, `max(a40) == 1`),
		shared(`[$, $]`, `median(a40) == 1`),
		shared(`[$, $]`, `len(flatten(a40)) > 0`),
		shared(`{"x": $, "y": $}`, `len(string(a40)) > 0`),
		shared(`map(1..2, $)`, `len(flatten(a40)) > 0`),
		`let a = map(1..1000, ` + in + `.list); let b = map(1..1000, a); flatten(b) == []`,
		// Data of this size is given to what makes more of it.
		`len(split(repeat("x", 33000000), "")) > 0`,
		`len(splitAfter(repeat("x", 33000000), "")) > 0`,
		`len(fromJSON("[" + repeat("{},", 5000000) + "1]")) > 0`,
		`let s = repeat("January", 1000000); len(map(1..10000, at.Format(s))) > 0`,
		`let s = repeat("January", 1000000); let f = at.Format; len(map(1..10000, f(s))) > 0`,
		// Each of these takes long, and there are many of them.
		`let b = repeat("x", 30000000); all(1..1000, lastIndexOf(b, "yx") == -1)`,
		`repeat("x", 30000000) matches "(x?){999}y"`,
		`all(1..1000, not (` + in + `.big matches "(x?x?x?x?x?x?x?x?x?x?){99}y"))`,
		`all(1..1000, not (` + in + `.big matches ("(x?){" + string(900 + #) + "}y")))`,
	} {
		p, err := expression.NewCompiler(env).Condition(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, err = p.Bool(vars(data))
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: evaluated", source)
		}
		if took > 10*time.Second {
			t.Errorf("%s: %v", source, took)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 512<<20 {
			t.Errorf("%s: %d MiB", source, used>>20)
		}
		t.Logf("%8v %6d MiB  %.80s: %.120v", took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, source, err)
	}
}

// TestLongErrors has data that is of no use fill no log.
func TestLongErrors(t *testing.T) {
	for _, source := range []string{"int(steps.backups.json)", "date(steps.backups.json)", "duration(steps.backups.json)", `"" matches steps.backups.json`, "fromJSON(steps.backups.json)", "float(steps.backups.json)"} {
		p, err := expression.NewCompiler(env).Value(source)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Eval(vars(strings.Repeat("(ä\n\x1b", 100_000)))
		if err == nil || len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: an error of %d bytes: %.300v", source, len(err.Error()), err)
		}
	}
}

// TestLongSource has an expression be shown by its beginning.
func TestLongSource(t *testing.T) {
	p, err := expression.NewCompiler(env).Condition("steps.backups.json > 1\n" + strings.Repeat(" and steps.backups.json > 1", 100))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Bool(vars("x")); err == nil || len(err.Error()) > 500 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// TestValueIsBounded has no JSON made of what is greater than it looks.
func TestValueIsBounded(t *testing.T) {
	text, err := expression.NewCompiler(env).Text("{{ "+in100+" }}", nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := text.Value(vars(strings.Repeat("x", 1<<20))); err == nil {
		t.Errorf("a value of type %T", v)
	}
}

// TestTurns has no more evaluations go on at a time than there are turns.
func TestTurns(t *testing.T) {
	turns := make(expression.Turns, 1)
	p, err := expression.NewCompiler(env).In(turns).Condition("job == 'canary'")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // each gives its turn back
		if ok, err := p.Bool(vars(nil)); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		turns := make(expression.Turns, 1)
		p, err := expression.NewCompiler(env).In(turns).Condition("job == 'canary'")
		if err != nil {
			t.Fatal(err)
		}
		turns <- struct{}{}
		if _, err := p.Bool(vars(nil)); err == nil {
			t.Error("it did not wait for its turn")
		}
		go func() {
			time.Sleep(time.Second)
			<-turns
		}()
		if ok, err := p.Bool(vars(nil)); err != nil || !ok {
			t.Error(ok, err)
		}
	})
}

const in100 = "map(1..100, steps.backups.json)"

func TestText(t *testing.T) {
	c := expression.NewCompiler(env)
	secret := func(piece string) ([]expression.Piece, error) {
		before, after, ok := strings.Cut(piece, "${s}")
		if !ok {
			return []expression.Piece{{Text: piece}}, nil
		}
		return []expression.Piece{{Text: before}, {Text: "{{hidden}}", Secret: true}, {Text: after}}, nil
	}
	for _, tt := range []struct{ source, want, shown string }{
		{"plain", "plain", "plain"},
		{"", "", ""},
		{"{{ job }}: {{ len(steps.backups.json.items) }} at {{ steps.backups.took }} s", "canary: 2 at 0.25 s", "canary: 2 at 0.25 s"},
		{"{{ {\"a\": {\"b\": 1}}.a.b }}}}", "1}}", "1}}"},
		{`{{ "}}" + '}}' + ` + "`}}`" + ` }}`, "}}}}}}", "}}}}}}"},
		{`{{ "{{" }}`, "{{", "{{"},
		{"{{ steps.backups.json.items[0] }}", `{"age_h":30,"name":"a"}`, `{"age_h":30,"name":"a"}`},
		{"{{ nil }} {{ 1e21 }} {{ tick }} {{ true }}", "null 1000000000000000000000 1641903970 true", "null 1000000000000000000000 1641903970 true"},
		{"Bearer ${s} {{ job }}", "Bearer {{hidden}} canary", "Bearer *** canary"},
	} {
		text, err := c.Text(tt.source, secret)
		if err != nil {
			t.Errorf("%s: %v", tt.source, err)
			continue
		}
		got, err := text.Render(vars(items))
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.source, got, err, tt.want)
		}
		if got := text.Show(vars(items)); got != tt.shown {
			t.Errorf("%s: shown as %q, want %q", tt.source, got, tt.shown)
		}
	}
	text, err := c.Text("{{ tick }}", nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := text.Value(vars(nil)); err != nil || !cmp.Equal(v, any(1641903970)) {
		t.Errorf("a text that is one expression is %#v, %v", v, err)
	}
	if _, ok := text.Constant(); ok {
		t.Error("a text with an expression is constant")
	}
	if s, ok := expression.Static("{{ x }}").Constant(); !ok || s != "{{ x }}" {
		t.Errorf("a static text is %q, %v", s, ok)
	}
}

func TestTextMistakes(t *testing.T) {
	c := expression.NewCompiler(env)
	for _, tt := range []struct {
		source       string
		line, column int
	}{
		{"a {{ jbo }}", 1, 6},
		{"first\nsecond {{ jbo }}", 2, 11},
		{"{{ job +\n jbo }}", 2, 2},
		{"open {{ job", 1, 6},
		{"first\nopen {{ job", 2, 6},
		{"{{ }}", 1, 3},
	} {
		_, err := c.Text(tt.source, nil)
		var e *expression.Error
		if !errors.As(err, &e) || e.Line != tt.line || e.Column != tt.column {
			t.Errorf("%q: %#v, want %d:%d", tt.source, err, tt.line, tt.column)
		}
	}
}

// TestTextBounds gives all parts of a text together what one expression may have.
func TestTextBounds(t *testing.T) {
	long := strings.Repeat(`{{ all(1..900, all(1..900, true)) }}`, 1000)
	large := strings.Repeat(`{{ steps.backups.text == "" ? "" : "" }}{{ len(repeat("x", 1000000)) }}`, 1000)
	for _, source := range []string{long, large} {
		text, err := expression.NewCompiler(env).Text(source, nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := text.Render(vars(nil)); err == nil {
			t.Errorf("%.40s: rendered", source)
		}
		if got := text.Show(vars(nil)); !strings.HasSuffix(got, source[len(source)-10:]) {
			t.Errorf("%.40s: shown as ...%s", source, got[len(got)-40:])
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%.40s: %v", source, took)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	c := expression.NewCompiler(env)
	for b.Loop() {
		if _, err := c.Condition("any(steps.backups.json.items, .age_h > 24)"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompiler(b *testing.B) {
	for b.Loop() {
		expression.NewCompiler(env)
	}
}

func BenchmarkEval(b *testing.B) {
	p, err := expression.NewCompiler(env).Condition("any(steps.backups.json.items, .age_h > 24)")
	if err != nil {
		b.Fatal(err)
	}
	v := vars(items)
	for b.Loop() {
		if _, err := p.Bool(v); err != nil {
			b.Fatal(err)
		}
	}
}
