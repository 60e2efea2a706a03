package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// own is this module, and std the standard library, as a module.
const (
	own = "github.com/solotick/solotick"
	std = "std"
)

// A linked module is in a program: at least one of its packages is.
type linked struct {
	path, version string
	spdx          string            // of its licence
	texts         map[string]string // its licences and notices, by name from the top of the module
}

// notices are the licences of all that is linked, into any of the programs.
type notices struct{ modules map[string]*linked }

func newNotices() *notices { return &notices{modules: make(map[string]*linked)} }

// collect takes what a target's program is made of.
func (n *notices) collect(ctx context.Context, e *edition, t target) error {
	c := exec.CommandContext(ctx, "go", "list", "-mod=readonly", "-deps", "-json=Dir,Standard,Module", "./cmd/solotick")
	c.Dir, c.Env = e.source, environ(t)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("listing what %s is made of: %w\n%s", t, err, &stderr)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir      string
			Standard bool
			Module   *struct {
				Path, Version, Dir string
				Replace            *struct{ Path, Version, Dir string }
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if p.Module == nil || p.Module.Path == own {
			continue
		}
		m := *p.Module
		if m.Replace != nil {
			m.Version, m.Dir = m.Replace.Version, m.Replace.Dir
		}
		if err := n.add(m.Path, m.Version, m.Dir, p.Dir); err != nil {
			return err
		}
	}
	return n.addStandard(ctx, e, t)
}

// addStandard adds the Go that builds.
func (n *notices) addStandard(ctx context.Context, e *edition, t target) error {
	c := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION")
	c.Dir, c.Env = e.source, environ(t)
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return n.add(std, version, root, root)
}

var isLicence = regexp.MustCompile(`(?i)^(un)?(licen[cs]es?|copying|copyright|notice|patents)([-._].*)?$`)

// add takes the licences in the folder of a package and in those above it, up to the
// module's: a package may have come from elsewhere.
func (n *notices) add(path, version, top, dir string) error {
	m := n.modules[path]
	if m == nil {
		m = &linked{path: path, version: version, texts: make(map[string]string)}
		n.modules[path] = m
	}
	for {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if !entry.Type().IsRegular() || !isLicence.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".go") {
				continue
			}
			name, err := filepath.Rel(top, filepath.Join(dir, entry.Name()))
			if err != nil {
				return err
			}
			text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			if err != nil {
				return err
			}
			m.texts[filepath.ToSlash(name)] = strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
		}
		if dir == top || len(dir) <= len(top) {
			break
		}
		dir = filepath.Dir(dir)
	}
	if m.spdx = m.identify(); m.spdx == "" {
		return fmt.Errorf("%s %s: no licence that is known here (%s)", path, version, strings.Join(slices.Sorted(maps.Keys(m.texts)), ", "))
	}
	return nil
}

// known are the licences that may be linked, each with words that only it has. The
// first that fits counts. What shares the name of its user's whole program, as the GPL
// does, is not among them.
var known = []struct{ spdx, words string }{
	{"UPL-1.0 OR Apache-2.0", "universal permissive license (upl), version 1.0 or apache license 2.0"},
	{"UPL-1.0 OR Apache-2.0", "dual-licensed to you under the universal permissive license (upl)"},
	{"Apache-2.0", "apache license version 2.0"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"MPL-2.0", "mozilla public license, version 2.0"},
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation"},
	{"BSD-3-Clause", "may be used to endorse or promote products derived from"},
	{"BSD-2-Clause", "redistribution and use in source and binary forms, with or without modification, are permitted"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"},
	{"ISC", "permission to use, copy, modify, and distribute this software for any purpose with or without fee"},
}

// identify tells the licence of a module by the files at its top.
func (m *linked) identify() string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(m.texts)) {
		if strings.Contains(name, "/") || strings.HasPrefix(strings.ToLower(name), "notice") {
			continue
		}
		text := strings.Join(strings.Fields(strings.ToLower(m.texts[name])), " ")
		for _, k := range known {
			if strings.Contains(text, k.words) {
				if !slices.Contains(found, k.spdx) {
					found = append(found, k.spdx)
				}
				break
			}
		}
	}
	return strings.Join(found, " AND ")
}

// text is THIRD-PARTY-NOTICES: every licence and notice once, and whose it is.
func (n *notices) text() []byte {
	type entry struct {
		whose []string
		text  string
	}
	byText := make(map[string]*entry)
	var b bytes.Buffer
	b.WriteString("Solotick is made with the software below, under these licences.\n\n")
	for _, path := range slices.Sorted(maps.Keys(n.modules)) {
		m := n.modules[path]
		fmt.Fprintf(&b, "%s %s: %s\n", m.path, m.version, m.spdx)
		for _, name := range slices.Sorted(maps.Keys(m.texts)) {
			e := byText[m.texts[name]]
			if e == nil {
				e = &entry{text: m.texts[name]}
				byText[e.text] = e
			}
			e.whose = append(e.whose, m.path+" "+m.version+" ("+name+")")
		}
	}
	b.WriteString("\nThe time zone database of IANA, which is in the public domain, is part of it.\n")
	all := slices.SortedFunc(maps.Values(byText), func(a, b *entry) int { return cmp.Compare(a.whose[0], b.whose[0]) })
	for _, e := range all {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("-", 80), strings.Join(e.whose, "\n"), e.text)
	}
	return b.Bytes()
}
