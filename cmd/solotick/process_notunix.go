//go:build !unix

package main

import "os"

// There is no way to ask a process to end, and none to halt it.
func terminate(p *os.Process) error { return p.Kill() }

func halt(p *os.Process) error { return p.Kill() }

func thaw(*os.Process) error { return nil }
