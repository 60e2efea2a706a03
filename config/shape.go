package config

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"
)

// A shape is what a value looks like, for those who describe values and do not
// decode them: the schema and [Inspect].
type shape struct {
	kind  kind
	name  string // of a mapping whose keys are known: the same for the same keys
	rows  []row  // of such a mapping, or of each item that list or names have
	short *row   // what may stand in place of such a mapping
	words string // what the names of a mapping without known keys are like; empty: anything
}

// A row is a key of the table without its type.
type row struct {
	name, doc string
	rule
	shape
}

// item is an item of a list of texts.
func (r row) item() row {
	r = row{name: r.name, rule: r.rule}
	r.required = false
	if r.secret {
		r.kind = isSecret
	}
	return r
}

type kind int

const (
	isText      kind = iota
	isSecret         // a text that may be one
	isCondition      // an expression
	isTemplate       // a text with expressions
	isClear          // a template, or false
	isBool
	isInt
	isDuration
	isArgv     // a list of arguments, or one text
	isList     // of texts, or a single one
	isSecrets  // a mapping of names to texts that may be secret
	isFields   // a mapping of names to templates
	isAny      // JSON
	isMapping  // of known keys
	isMappings // a list of them
	isNamed    // a mapping of names to them
)

// The words that are names, as patterns of the schema.
const (
	label        = `[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?`
	anyLabel     = `[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?`
	jobName      = `^` + label + `$`
	dnsName      = `^(` + anyLabel + `\.)*` + anyLabel + `\.?$`
	stepID       = `^[a-z_][a-z0-9_]{0,62}$`
	agentID      = `^[A-Z0-9]{1,12}$`
	variableName = `^[A-Za-z_][A-Za-z0-9_]*$`
	headerName   = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
	webURL       = `^[hH][tT][tT][pP][sS]?://[^/?#]`
	endpointURL  = `^[hH][tT][tT][pP][sS]?://[^/?#@]+([/?#].*)?$` // without a user
	optionalURL  = `^$|` + webURL
	sourceURL    = `^[A-Za-z][A-Za-z0-9]*:|^/`
	sum256       = `^\s*([0-9A-Fa-f]{64})?\s*$`
	ntfyTopic    = `^[A-Za-z0-9_-]{1,64}$`
)

// rowsOf are the keys of a mapping.
func rowsOf[T any](keys []key[T]) []row {
	rows := make([]row, 0, len(keys))
	for _, k := range keys {
		rows = append(rows, row{name: k.name, doc: k.doc, rule: k.rule, shape: shapeOf(k.name, k.to(new(T)))})
	}
	return rows
}

func mappingOf[T any](name string, keys []key[T]) shape {
	return shape{kind: isMapping, name: name, rows: rowsOf(keys)}
}

// or allows a single value in place of a mapping: that of one of its keys.
func (s shape) or(key string) shape {
	for i := range s.rows {
		if s.rows[i].name == key {
			s.short = &s.rows[i]
		}
	}
	return s
}

// shapeOf tells by what a key's value is decoded into what it looks like.
func shapeOf(name string, to any) shape {
	switch to.(type) {
	case *string:
		return shape{kind: isText}
	case *Secret:
		return shape{kind: isSecret}
	case *bool:
		return shape{kind: isBool}
	case *int:
		return shape{kind: isInt}
	case *time.Duration, **time.Duration:
		return shape{kind: isDuration}
	case *argv:
		return shape{kind: isArgv}
	case *[]string, *[]Secret:
		return shape{kind: isList}
	case *raw:
		return shape{kind: map[string]kind{"if": isCondition, "expect": isCondition, "clear": isClear}[name]}.elseTemplate()
	case *[]Variable:
		return shape{kind: isSecrets, words: variableName}
	case *map[string]Secret:
		return shape{kind: isSecrets, words: headerName}
	case *fields:
		return shape{kind: isFields, words: map[string]string{"env": variableName, "headers": headerName}[name]}
	case **yaml.Node:
		return section(name)
	}
	return inner(to)
}

func (s shape) elseTemplate() shape {
	if s.kind == isText {
		s.kind = isTemplate
	}
	return s
}

// section is the shape of what stays a node at first.
func section(name string) shape {
	switch name {
	case "notify":
		return shape{kind: isNamed, name: "notifier", rows: rowsOf(channelKeys), words: stepID}
	case "jobs_from":
		return mappingOf("jobs_from", fromKeys).or("url")
	case "defaults":
		rows := rowsOf(jobKeys)
		for i := range rows {
			if rows[i].name == "record" {
				rows = append(rows[:i], rows[i+1:]...)
				break
			}
		}
		return shape{kind: isMapping, name: "defaults", rows: rows}
	case "jobs":
		return shape{kind: isNamed, name: "job", rows: rowsOf(jobKeys), words: jobName}
	}
	return shape{kind: isAny}
}

// inner is the shape of a mapping within a mapping.
func inner(to any) shape {
	switch to.(type) {
	case *DNS:
		return mappingOf("dns", dnsKeys)
	case *Agent:
		return mappingOf("agent", agentKeys)
	case *sealing:
		return mappingOf("seal", sealTable)
	case *signing:
		return mappingOf("sign", signTable)
	case *Allow:
		return mappingOf("allow", allowKeys)
	case **Report:
		return mappingOf("report", reportKeys)
	case *[]step:
		return shape{kind: isMappings, name: "step", rows: rowsOf(stepKeys)}
	case **request:
		return mappingOf("request", requestKeys).or("url")
	case **failureAlert:
		return mappingOf("on_failure", failureKeys)
	case **tlsKeys:
		return mappingOf("tls", tlsTable)
	case **slackKeys:
		return mappingOf("slack", slackTable)
	case **webhookKeys:
		return mappingOf("webhook", webhookTable)
	case **emailKeys:
		return mappingOf("email", emailTable)
	case **urlKeys:
		return mappingOf("chat", urlTable)
	case **ntfyKeys:
		return mappingOf("ntfy", ntfyTable)
	case **pagerDutyKeys:
		return mappingOf("pagerduty", pagerDutyTable)
	case **pingKeys:
		return mappingOf("ping", pingTable)
	case **execKeys:
		return mappingOf("exec", execTable).or("command")
	}
	panic(fmt.Sprintf("config: %T in the table", to))
}
