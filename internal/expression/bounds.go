package expression

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm/runtime"
)

// The bounds of one evaluation. expr has none for time, and counts the elements
// of lists and maps only.
const (
	maxTime     = time.Second
	maxBytes    = 32 << 20
	maxElements = 1_000_000
)

var (
	errTime = fmt.Errorf("takes longer than %v", maxTime)
	errSize = errors.New("needs more memory than an expression may have")
	errNil  = errors.New("what should be a text is not there; write (a?.b ?? \"\")")
)

// replaced are functions of expr that can make much of little, or take a time
// that grows with the square of their data. Ours do the same within bounds.
var replaced = []string{"repeat", "replace", "split", "splitAfter", "join", "string", "toJSON", "fromJSON", "uniq"}

// An account is what one evaluation has used.
type account struct {
	end   time.Time
	ticks int
	bytes int
}

func newAccount() *account { return &account{end: time.Now().Add(maxTime)} }

func (a *account) functions() map[string]any {
	return map[string]any{
		"__step": a.step, "__text": a.text, "__any": a.any,
		"__given": given, "__whole": a.whole, "__first": a.first, "__string": a.firstString, "__in": a.in, "__matches": a.matches,
		"repeat": a.repeat, "replace": a.replace, "split": a.split, "splitAfter": a.splitAfter,
		"join": a.join, "string": a.string, "toJSON": a.toJSON, "fromJSON": a.fromJSON, "uniq": a.uniq,
	}
}

// late says that the time is over.
func (a *account) late() error {
	if time.Now().After(a.end) {
		return errTime
	}
	return nil
}

// tick is late, for what is done so often that the clock is not asked each time.
func (a *account) tick() error {
	if a.ticks++; a.ticks&63 != 0 {
		return nil
	}
	return a.late()
}

// before is late if so many bytes or elements are worth it.
func (a *account) before(n int) error {
	if n < 256 {
		return a.tick()
	}
	return a.late()
}

// given stands before what has to be there: a call would take nil for a zero
// value of the type that it wants.
func given(v any) (any, error) {
	if v == nil {
		return nil, errNil
	}
	return v, nil
}

// step is called once for each element that a function such as filter looks at.
func (a *account) step() (bool, error) { return true, a.tick() }

// grow counts bytes before they are made.
func (a *account) grow(n int) error {
	if n < 0 || n > maxBytes-a.bytes {
		return errSize
	}
	a.bytes += n
	return a.late()
}

// These count what a function has made, which is not much more than it was given.
func (a *account) text(s string) (string, error) { return s, a.grow(len(s)) }

func (a *account) any(v any) (any, error) {
	n, err := a.sizeOf(v, plain, 0)
	if err == nil {
		err = a.grow(n)
	}
	return v, err
}

// These stand before what takes a time that grows with its data: one such thing
// may be begun before the time is over, and no other after it.
func (a *account) first(v any) (any, error) {
	if s, ok := v.(string); ok {
		return v, a.before(len(s))
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice {
		return v, a.before(r.Len())
	}
	return v, a.tick()
}

func (a *account) firstString(s string) (string, error) { return s, a.before(len(s)) }

// whole stands before what looks at all parts of a value. Those that are shared,
// as by reduce(1..40, [#acc, #acc], 1), it looks at again and again.
func (a *account) whole(v any) (any, error) {
	_, err := a.sizeOf(v, plain, 0)
	return v, err
}

// in is the operator.
func (a *account) in(one, list any) (bool, error) {
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return runtime.In(one, list), nil
	}
	if _, err := a.sizeOf(one, plain, 0); err != nil {
		return false, err
	}
	for i := range v.Len() {
		if err := a.tick(); err != nil {
			return false, err
		}
		if runtime.Equal(v.Index(i).Interface(), one) {
			return true, nil
		}
	}
	return false, nil
}

func (a *account) split(s, by string, most ...any) ([]string, error) {
	if err := a.pieces(s, by, most); err != nil {
		return nil, err
	}
	return strings.SplitN(s, by, limit(most)), nil
}

func (a *account) splitAfter(s, by string, most ...any) ([]string, error) {
	if err := a.pieces(s, by, most); err != nil {
		return nil, err
	}
	return strings.SplitAfterN(s, by, limit(most)), nil
}

func limit(most []any) int {
	if len(most) > 0 {
		return runtime.ToInt(most[0])
	}
	return -1
}

// pieces counts what split makes of a text.
func (a *account) pieces(s, by string, most []any) error {
	if len(most) > 1 {
		return errors.New("split takes two or three arguments")
	}
	n := strings.Count(s, by) + 1
	if m := limit(most); m >= 0 {
		n = min(n, m)
	}
	return a.grow(16 * n)
}

func (a *account) repeat(s string, n int) (string, error) {
	if n < 0 {
		return "", fmt.Errorf("cannot repeat %d times", n)
	}
	if len(s) > 0 && n > maxBytes/len(s) {
		return "", errSize
	}
	if err := a.grow(len(s) * n); err != nil {
		return "", err
	}
	return strings.Repeat(s, n), nil
}

func (a *account) replace(s, old, by string) (string, error) {
	if n := strings.Count(s, old); len(by) > 0 && n > maxBytes/len(by) {
		return "", errSize
	} else if err := a.grow(len(s) + n*len(by)); err != nil {
		return "", err
	}
	return strings.ReplaceAll(s, old, by), nil
}

func (a *account) join(list any, glue ...string) (string, error) {
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return "", fmt.Errorf("cannot join %T", list)
	}
	var between string
	if len(glue) > 0 {
		between = glue[0]
	}
	var b strings.Builder
	for i := range v.Len() {
		s, ok := v.Index(i).Interface().(string)
		if !ok {
			return "", fmt.Errorf("cannot join a list with a %T in it", v.Index(i).Interface())
		}
		if i > 0 {
			s = between + s
		}
		if err := a.grow(len(s)); err != nil {
			return "", err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// string is the text of a value as a [Text] shows it.
func (a *account) string(v any) (string, error) {
	if s, ok := v.(string); ok { // as it is
		return s, a.grow(len(s))
	}
	n, err := a.sizeOf(v, inJSON, 0)
	if err == nil {
		err = a.grow(n)
	}
	if err != nil {
		return "", err
	}
	return show(v), nil
}

func (a *account) toJSON(v any) (string, error) {
	n, err := a.sizeOf(v, indented, 0)
	if err == nil {
		err = a.grow(n)
	}
	if err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(v, "", "  ")
	return string(b), err
}

// fromJSON counts before it reads: what an empty list takes in memory is a
// multiple of its text.
func (a *account) fromJSON(s string) (any, error) {
	if len(s) > maxBytes/8 {
		return nil, errSize
	}
	if err := a.grow(8 * len(s)); err != nil {
		return nil, err
	}
	var v any
	err := json.Unmarshal([]byte(s), &v)
	return v, err
}

// uniq leaves out what was there before. Values are the same if their JSON is.
func (a *account) uniq(list any) ([]any, error) {
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return nil, fmt.Errorf("cannot take what is unique of %T", list)
	}
	seen := make(map[string]bool)
	all := []any{}
	for i := range v.Len() {
		one := v.Index(i).Interface()
		n, err := a.sizeOf(one, inJSON, 0)
		if err == nil {
			err = a.grow(n + 16)
		}
		if err != nil {
			return nil, err
		}
		key, err := json.Marshal(one)
		if err != nil {
			return nil, err
		}
		if text := fmt.Sprintf("%T %s", one, key); !seen[text] {
			seen[text] = true
			all = append(all, one)
		}
	}
	return all, nil
}

// bounds puts calls of the account into an expression.
type bounds struct{}

// made are functions whose results are counted, by how.
var made = map[string]string{
	"upper": "__text", "lower": "__text", "trim": "__text", "toBase64": "__text", "fromBase64": "__text",
	"concat": "__any", "flatten": "__any", "reverse": "__any", "sort": "__any",
	"keys": "__any", "values": "__any", "toPairs": "__any", "fromPairs": "__any", "take": "__any",
}

// texts are functions of ours that want texts and numbers.
var texts = map[string]bool{"repeat": true, "replace": true, "split": true, "splitAfter": true, "fromJSON": true}

// deep are functions that look at all parts of their arguments.
var deep = map[string]bool{"min": true, "max": true, "mean": true, "median": true, "flatten": true}

// linear are functions that look at all of their first argument.
var linear = map[string]bool{"len": true, "indexOf": true, "lastIndexOf": true, "sum": true}

// Visit is called for each part of an expression, the inner ones first.
func (bounds) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{call("__step"), n.Node}}
	case *ast.BinaryNode:
		operator(node, n)
	case *ast.CallNode:
		switch callee := n.Callee.(type) {
		case *ast.MemberNode: // at.Format(layout)
			result(node)
		case *ast.IdentifierNode:
			if !slices.Contains(replaced, callee.Value) && !strings.HasPrefix(callee.Value, "__") {
				result(node) // let f = at.Format; f(layout)
			}
			for i, one := range n.Arguments {
				if texts[callee.Value] && (one.Type() == nil || one.Type().Kind() == reflect.Interface) {
					wrap(&n.Arguments[i], "__given")
				}
			}
		}
	case *ast.BuiltinNode:
		switch {
		case deep[n.Name]:
			for i := range n.Arguments {
				if isOpen(n.Arguments[i]) {
					wrap(&n.Arguments[i], "__whole")
				}
			}
		case linear[n.Name] && len(n.Arguments) > 0:
			begin(&n.Arguments[0])
		}
		if by, ok := made[n.Name]; ok {
			wrap(node, by)
		}
	}
}

// operator has the operators bounded that look at more than two numbers.
func operator(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "+":
		result(node)
	case "==", "!=":
		switch {
		case isOpen(n.Left) && isOpen(n.Right):
			wrap(&n.Left, "__whole")
		case isString(n.Left) && isString(n.Right):
			begin(&n.Left)
		}
	case "contains":
		begin(&n.Left)
	case "<", "<=", ">", ">=":
		if isString(n.Left) && isString(n.Right) {
			begin(&n.Left)
		}
	case "in":
		switch list, ok := n.Right.(*ast.ArrayNode); {
		case ok && isOpen(n.Left) && !allConstant(list):
			wrap(&n.Left, "__whole")
		case !ok && isOpen(n.Right) && n.Right.Type() != nil && n.Right.Type().Kind() != reflect.Map:
			ast.Patch(node, call("__in", n.Left, n.Right))
		}
	case "matches":
		if !isText(n.Left) || !isText(n.Right) {
			return // a mistake, which is told
		}
		if s, ok := n.Right.(*ast.StringNode); ok {
			re, err := pattern(s.Value)
			if errors.Is(err, errPattern) {
				ast.Patch(node, call("__matches", n.Left, n.Right))
			}
			if err != nil {
				return
			}
			n.Right = &ast.ConstantNode{Value: re}
		}
		ast.Patch(node, call("__matches", n.Left, n.Right))
	}
}

// isOpen says that a part of an expression may be a list or an object.
func isOpen(n ast.Node) bool {
	switch n.(type) {
	case *ast.NilNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode:
		return false
	}
	t := n.Type()
	if t == nil {
		return true
	}
	switch t.Kind() {
	case reflect.Interface, reflect.Slice, reflect.Array, reflect.Map:
		return true
	}
	return false
}

// isString says that a part is a text that is not written in the expression.
func isString(n ast.Node) bool {
	_, literal := n.(*ast.StringNode)
	return !literal && n.Type() != nil && n.Type().Kind() == reflect.String
}

func isText(n ast.Node) bool {
	t := n.Type()
	return t == nil || t.Kind() == reflect.Interface || t.Kind() == reflect.String
}

func allConstant(list *ast.ArrayNode) bool {
	for _, n := range list.Nodes {
		if isOpen(n) {
			return false
		}
	}
	return true
}

// begin has the time looked at before a part is used.
func begin(n *ast.Node) {
	switch t := (*n).Type(); {
	case t == nil || t.Kind() == reflect.Interface:
		wrap(n, "__first")
	case t.Kind() == reflect.String:
		wrap(n, "__string")
	}
}

// result has what a part makes counted.
func result(n *ast.Node) {
	switch t := (*n).Type(); {
	case t == nil || t.Kind() == reflect.Interface || t.Kind() == reflect.Slice:
		wrap(n, "__any")
	case t.Kind() == reflect.String:
		wrap(n, "__text")
	}
}

func wrap(node *ast.Node, by string) { ast.Patch(node, call(by, *node)) }

func call(name string, arguments ...ast.Node) *ast.CallNode {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: arguments}
}
