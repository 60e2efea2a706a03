package expression

import (
	"reflect"
	"regexp"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// bounds puts calls of the account into an expression.
type bounds struct{}

// made are functions whose results are counted, by how.
var made = map[string]string{
	"upper": "__text", "lower": "__text", "trim": "__text", "toBase64": "__text", "fromBase64": "__text",
	"concat": "__any", "reverse": "__any", "sort": "__any", "keys": "__any", "values": "__any", "toPairs": "__any",
	"fromPairs": "__any", "take": "__any",
}

// long are functions that may take some time, by how it is looked at afterwards.
var long = map[string]string{
	"max": "__then", "min": "__then", "mean": "__then", "median": "__then",
	"len": "__int", "indexOf": "__int", "lastIndexOf": "__int",
}

// Visit is called for each part of an expression, the inner ones first.
func (bounds) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{&ast.CallNode{Callee: &ast.IdentifierNode{Value: "__step"}}, n.Node}}
	case *ast.BinaryNode:
		binary(node, n)
	case *ast.BuiltinNode:
		builtin(node, n)
	case *ast.ArrayNode:
		if slices.ContainsFunc(n.Nodes, hasParts) {
			wrap(node, "__list")
		}
	case *ast.MapNode:
		if slices.ContainsFunc(n.Pairs, func(p ast.Node) bool { return hasParts(p.(*ast.PairNode).Value) }) {
			wrap(node, "__map")
		}
	case *ast.CallNode:
		// A method, such as Format of a time, which may have another name by now.
		if f, ok := n.Callee.(*ast.IdentifierNode); !ok || !slices.Contains(replaced, f.Value) {
			count(node)
		}
	}
}

// count counts a result that is a text, or may be one.
func count(node *ast.Node) {
	switch t := (*node).Type(); {
	case t == nil || t.Kind() == reflect.Interface:
		wrap(node, "__any")
	case t.Kind() == reflect.String:
		wrap(node, "__text")
	}
}

func binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "+":
		count(node)
	case "==", "!=":
		if hasParts(n.Left) && hasParts(n.Right) {
			wrap(node, "__bool")
		}
	case "in":
		if _, written := n.Right.(*ast.ArrayNode); !written && hasParts(n.Right) {
			wrap(node, "__bool")
		}
	case "contains":
		wrap(node, "__bool")
	case "matches":
		pattern := n.Right
		if p, ok := n.Right.(*ast.StringNode); ok {
			r, err := regexp.Compile(p.Value)
			if err != nil {
				return // for expr to report
			}
			pattern = &ast.ConstantNode{Value: r}
		}
		call(node, "__match", n.Left, pattern)
	}
}

func builtin(node *ast.Node, n *ast.BuiltinNode) {
	by, isMade := made[n.Name]
	if !isMade {
		by = long[n.Name]
	}
	if n.Name == "map" && hasParts(n.Arguments[1]) {
		by = "__list"
	} else if by != "" && by != "__int" {
		for i := range n.Arguments {
			if hasParts(n.Arguments[i]) {
				wrap(&n.Arguments[i], "__given")
			}
		}
	}
	if by != "" {
		wrap(node, by)
	}
}

// hasParts says whether a value may be a list or a map, as far as is known.
func hasParts(n ast.Node) bool {
	if p, ok := n.(*ast.PredicateNode); ok {
		n = p.Node
		if s, ok := n.(*ast.SequenceNode); ok { // of Visit
			n = s.Nodes[len(s.Nodes)-1]
		}
	}
	if _, ok := n.(*ast.NilNode); ok {
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

func wrap(node *ast.Node, by string) { call(node, by, *node) }

func call(node *ast.Node, by string, arguments ...ast.Node) {
	c := &ast.CallNode{Callee: &ast.IdentifierNode{Value: by}, Arguments: arguments}
	c.SetType((*node).Type())
	ast.Patch(node, c)
}
