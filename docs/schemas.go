// Package docs holds the JSON Schemas (draft 2020-12) of what Solotick prints, serves
// and takes, as they are published beside the texts for people: see [Schema]. Those of
// the configuration are made by package config.
package docs

import (
	"embed"
	"strings"
)

//go:embed solotick-*.schema.json
var files embed.FS

const (
	before = "solotick-"
	behind = ".schema.json"
)

// Schema is the JSON Schema of the document with the given name: "status" for one
// that says of itself that it is a solotick.status/v1.
func Schema(name string) (text []byte, ok bool) {
	text, err := files.ReadFile(before + name + behind)
	return text, err == nil
}

// Schemas are the names of all documents, sorted.
func Schemas() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("docs: " + err.Error()) // they are part of the program
	}
	var names []string
	for _, e := range entries {
		if e.Name() == "solotick-jobs.schema.json" {
			continue // a list of jobs is a configuration
		}
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(e.Name(), before), behind))
	}
	return names
}
