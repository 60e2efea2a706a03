package config

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// An Outline is what a file wants of the place where its agents live. It is read
// without what comes from elsewhere, so that it can be had on any machine.
type Outline struct {
	Agent  Agent  // as far as none of it comes from elsewhere
	Listen string // agent.listen as the file writes it; empty: none
	Jobs   []Job  // of the file itself, as far as they do not come from elsewhere
	From   bool   // there are more jobs elsewhere
	Needs  []Need // in the order of the file, each once
}

// A Need is one thing that a file takes from elsewhere.
type Need struct {
	Kind string // env, file, credential or vcap
	Name string // of the variable or credential; the file's path; service.path
	Line int    // where it is written first
	Must bool   // the agent does not start without it
}

// ReadOutline reads what a file wants of the place where its agents live. The
// error is as that of [Load], but that something from elsewhere is not here is no
// mistake.
func ReadOutline(path string) (*Outline, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	w := newWalker(path, data)
	root := w.document(data)
	if root == nil {
		return nil, w.wrong()
	}
	c := w.config(root, false)
	if len(w.mistakes) > w.absent {
		return nil, w.wrong()
	}
	o := &Outline{Agent: c.Agent, Jobs: c.Jobs}
	each(root, func(name string, v *yaml.Node) {
		switch name {
		case "agent":
			each(v, func(name string, v *yaml.Node) {
				if name == "listen" {
					o.Listen = v.Value
				}
			})
		case "jobs_from":
			o.From = true
		}
	})
	o.needs(root, "")
	return o, nil
}

// needs adds what stands in a node and below it. Arguments have none: there, what
// looks like one is a mistake.
func (o *Outline) needs(n *yaml.Node, key string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			o.needs(n.Content[i+1], n.Content[i].Value)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			o.needs(item, key)
		}
	case yaml.ScalarNode:
		if strings.HasPrefix(n.Value, "/") && (key == "tsig" || key == "credentials") {
			o.need(Need{Kind: "file", Name: n.Value, Line: n.Line, Must: true})
		}
		_, _ = expand(n.Value, func(inside string) (string, error) {
			kind, name, _ := strings.Cut(inside, ":")
			need := Need{Kind: kind, Name: name, Line: n.Line, Must: true}
			switch kind {
			case "env":
				var def bool
				need.Name, _, def = strings.Cut(name, ":-")
				need.Must = !def
			case "file", "credential", "vcap":
			default: // for a shell
				return "", nil
			}
			o.need(need)
			return "", nil
		})
	case yaml.DocumentNode, yaml.AliasNode, yaml.StreamNode: // what an alias means was seen
	}
}

func (o *Outline) need(n Need) {
	for i := range o.Needs {
		if o.Needs[i].Kind == n.Kind && o.Needs[i].Name == n.Name {
			o.Needs[i].Must = o.Needs[i].Must || n.Must
			return
		}
	}
	o.Needs = append(o.Needs, n)
}
