// Package expression compiles the conditions and texts of a job, and evaluates
// them within bounds.
//
// The language is expr (github.com/expr-lang/expr). What names there are and of
// what type is an [Env], so that a misspelt name or step is a mistake in the file
// and not one in the night. An evaluation may take about a second and 32 MiB: the list
// of jobs may come from elsewhere, and so may the data. A [Program] is a single
// expression, a [Text] has expressions between {{ and }}.
//
// No expression can reach a file, the network or the environment.
package expression

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/solotick/solotick/internal/spell"
)

// The longest expression, in bytes and in parts of its tree.
const (
	maxSource = 4096
	maxNodes  = 1000
)

// An Error says what is wrong with an expression.
type Error struct {
	Line, Column int // within the expression, from 1; 0: not known
	Message      string
	Hint         string
}

func (e *Error) Error() string { return e.Message }

// An Env is the names that an expression may use: [Any], a zero value of the
// type that it has, or another Env for a name with parts.
type Env map[string]any

// Any is for what has no type that is known beforehand, such as JSON.
var Any = new(struct{ any })

func (e Env) types() types.Map {
	m := make(types.Map, len(e))
	for name, v := range e {
		switch v := v.(type) {
		case Env:
			m[name] = v.types()
		default:
			m[name] = types.TypeOf(v)
			if v == Any {
				m[name] = types.Any
			}
		}
	}
	return m
}

// With returns an Env with more names.
func (e Env) With(more Env) Env {
	all := maps.Clone(e)
	maps.Copy(all, more)
	return all
}

// A Compiler compiles expressions against one Env. Making one costs more than
// using it.
type Compiler struct {
	env     Env
	options []expr.Option
	turns   Turns
}

// Turns bound how many evaluations go on at a time: one for each that has room in
// the channel. Nil Turns bound none.
type Turns chan struct{}

// turnPatience is how long an evaluation waits for its turn.
const turnPatience = 10 * time.Second

var errTurn = errors.New("the expressions of jobs from elsewhere take all the time that there is for them")

func (t Turns) take() error {
	if t == nil {
		return nil
	}
	timer := time.NewTimer(turnPatience)
	defer timer.Stop()
	select {
	case t <- struct{}{}:
		return nil
	case <-timer.C:
		return errTurn
	}
}

func (t Turns) give() {
	if t != nil {
		<-t
	}
}

// In has what is compiled be evaluated in turns.
func (c *Compiler) In(t Turns) *Compiler {
	c.turns = t
	return c
}

// NewCompiler makes a compiler.
func NewCompiler(e Env) *Compiler {
	t := e.types()
	for name, f := range new(account).functions() {
		t[name] = types.TypeOf(f)
	}
	c := &Compiler{env: e, options: []expr.Option{expr.Env(t), expr.MaxNodes(maxNodes), expr.Patch(bounds{})}}
	for _, name := range replaced {
		c.options = append(c.options, expr.DisableBuiltin(name))
	}
	return c
}

// A Program is a compiled expression. It is safe for concurrent use.
type Program struct {
	source string
	vm     *vm.Program
	turns  Turns
}

// Condition compiles an expression that is true or false. The error is an
// [*Error].
func (c *Compiler) Condition(source string) (*Program, error) {
	return c.compile(source, expr.AsBool())
}

// Value compiles an expression of any type. The error is an [*Error].
func (c *Compiler) Value(source string) (*Program, error) { return c.compile(source) }

func (c *Compiler) compile(source string, more ...expr.Option) (*Program, error) {
	if strings.TrimSpace(source) == "" {
		return nil, &Error{Message: "there is no expression"}
	}
	if len(source) > maxSource {
		return nil, &Error{Message: fmt.Sprintf("an expression has at most %d bytes", maxSource)}
	}
	p, err := expr.Compile(source, append(slices.Clip(c.options), more...)...)
	if err != nil {
		return nil, c.explain(source, err)
	}
	return &Program{source, p, c.turns}, nil
}

// String returns the expression's text.
func (p *Program) String() string { return p.source }

// Bool evaluates a condition.
func (p *Program) Bool(vars map[string]any) (bool, error) {
	v, err := p.Eval(vars)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("%s: want true or false, got %T", brief(p.source), v)
	}
	return b, nil
}

// Eval evaluates the expression. vars has a value for every name of the Env.
func (p *Program) Eval(vars map[string]any) (any, error) { return p.eval(vars, newAccount()) }

func (p *Program) eval(vars map[string]any, a *account) (any, error) {
	asked := time.Now()
	if err := p.turns.take(); err != nil {
		return nil, fmt.Errorf("%s: %w", brief(p.source), err)
	}
	defer p.turns.give()
	if p.turns != nil {
		a.end = a.end.Add(time.Since(asked)) // to wait is not to work
	}
	all := make(map[string]any, len(vars)+len(replaced)+4)
	maps.Copy(all, vars)
	maps.Copy(all, a.functions())
	machine := vm.VM{MemoryBudget: maxElements}
	v, err := machine.Run(p.vm, all)
	if err != nil {
		return nil, p.runtimeError(err)
	}
	return v, nil
}

// runtimeError words what went wrong with data that nobody foresaw.
func (p *Program) runtimeError(err error) error {
	for _, bound := range []error{errTime, errSize} {
		if errors.Is(err, bound) {
			return fmt.Errorf("%s: %w", brief(p.source), bound)
		}
	}
	message := err.Error()
	var f *file.Error
	if errors.As(err, &f) {
		message = f.Message
	}
	switch {
	case strings.Contains(message, "memory budget exceeded"):
		return fmt.Errorf("%s: %w", brief(p.source), errSize)
	case strings.Contains(message, "cannot fetch") && strings.Contains(message, "from <nil>"):
		message += ": what it is a part of is not there; write a?.b, and ?? for what is to stand in its place"
	case strings.Contains(message, "on zero Value"):
		message = "what should be a list is not there; write (a?.b ?? [])"
	}
	return fmt.Errorf("%s: %s", brief(p.source), brief(message))
}

// brief is the beginning of a message, in one line: it may quote data, of any
// length.
func brief(message string) string {
	var b strings.Builder
	for n, r := range message {
		if n >= 200 {
			return b.String() + "..."
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// explain turns an error of the compiler into one with a hint.
func (c *Compiler) explain(source string, err error) error {
	var f *file.Error
	if !errors.As(err, &f) {
		return &Error{Message: err.Error()}
	}
	e := &Error{Line: max(f.Line, 1), Column: f.Column + 1, Message: f.Message}
	name, known := "", Env(nil)
	if rest, ok := strings.CutPrefix(f.Message, "unknown name "); ok {
		name, known = rest, c.env
	} else if rest, ok := strings.CutPrefix(f.Message, "unknown field "); ok {
		name, known = rest, c.around(source, f.From)
	} else if strings.HasPrefix(f.Message, "unexpected token Operator(\"=\")") {
		e.Hint = "two of them compare: =="
	}
	if name != "" && known != nil {
		e.Hint = didYouMean(name, slices.Sorted(maps.Keys(known)))
	}
	return e
}

// around returns the names that belong to what stands before a dot at an offset
// in characters.
func (c *Compiler) around(source string, at int) Env {
	runes := []rune(source)
	before := string(runes[:min(at, len(runes))])
	before = strings.TrimRight(before, ".? ")
	start := strings.LastIndexFunc(before, func(r rune) bool {
		return r != '.' && !(r == '_' || r == '?' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	})
	e := c.env
	for part := range strings.SplitSeq(strings.ReplaceAll(before[start+1:], "?", ""), ".") {
		inner, ok := e[part].(Env)
		if !ok {
			return nil
		}
		e = inner
	}
	return e
}

func didYouMean(name string, known []string) string {
	list := "known here: " + strings.Join(known, ", ")
	if meant := spell.Closest(name, known); meant != "" {
		return fmt.Sprintf("did you mean %q? %s", meant, list)
	}
	return list
}
