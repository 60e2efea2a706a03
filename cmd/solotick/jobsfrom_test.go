package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

// newList is a list of jobs in a file, with what reads it.
func newList(t *testing.T, parse func(string, []byte) ([]config.Job, error)) (*jobsFrom, *bytes.Buffer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(file, []byte("version: 1\njobs: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("f", []byte("version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1 }\njobs_from: "+file+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	j, err := newJobsFrom(c, nil, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.source.Close)
	j.parse = parse
	return j, log
}

// TestListThatPanics goes on with the jobs that there are.
func TestListThatPanics(t *testing.T) {
	j, log := newList(t, func(string, []byte) ([]config.Job, error) { panic("nobody thought of it") })
	j.check(t.Context())
	if d := j.definition(); d.OK || !strings.Contains(d.Error, "mistake in solotick") {
		t.Errorf("%+v", d)
	}
	if !strings.Contains(log.String(), "nobody thought of it") {
		t.Errorf("logged: %s", log)
	}
}

// TestListThatTakesLong has nobody wait for a list to be read who only asks what
// there is, such as the loop of all agents.
func TestListThatTakesLong(t *testing.T) {
	begun, read, checked := make(chan struct{}), make(chan struct{}), make(chan struct{})
	j, _ := newList(t, func(string, []byte) ([]config.Job, error) {
		close(begun) // once only
		<-read
		return []config.Job{{Name: "a"}}, nil
	})
	go func() {
		defer close(checked)
		j.check(t.Context())
	}()
	<-begun
	if jobs, news := j.taken(); len(jobs) != 0 || news || j.definition().Jobs != 0 {
		t.Errorf("%v, %v", jobs, news)
	}
	second := make(chan error)
	go func() {
		_, err := j.job(t.Context(), "a") // which waits for the newest list
		second <- err
	}()
	close(read)
	<-checked
	if err := <-second; err != nil {
		t.Error(errors.Unwrap(err), err)
	}
	if jobs, news := j.taken(); len(jobs) != 1 || !news {
		t.Errorf("%v, %v", jobs, news)
	}
}
