package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/monitor/api"
)

// adminFlags say whether operators may change records through the page.
type adminFlags struct {
	on    bool
	token string // a file
}

func (f *adminFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.on, "admin", false, "let operators pause, resume and trigger, with the file's credentials")
	c.Flags().StringVar(&f.token, "admin-token-file", "", "a file with the token that proves an operator: 16 bytes or more")
}

// operators is what operators may do; nil: nothing.
func (o *observatory) operators() (*api.Admin, error) {
	f := o.flags.admin
	switch {
	case !f.on && f.token == "":
		return nil, nil
	case !f.on:
		return nil, usage("--admin-token-file is for --admin")
	case f.token == "":
		return nil, usage("--admin-token-file is missing: what proves that somebody is an operator? openssl rand -hex 16 > FILE makes one")
	}
	token, err := readSecretFile(f.token)
	if err != nil {
		return nil, err
	}
	warnOfOpenFiles(o.log, f.token)
	if o.list.now.config == nil {
		return nil, &failure{code: exitConfig, err: errNoFile, means: "nothing was started", do: "name the file with -c, or leave --admin out"}
	}
	c, err := o.app.loadConfig(o.flags.q.file) // with all its secrets, which looking does without
	if err != nil {
		return nil, err
	}
	svc, err := openService(c.DNS)
	if err != nil {
		return nil, err
	}
	svc.close()
	return &api.Admin{Token: token, Change: o.change}, nil
}

// readSecretFile reads a file with nothing but a secret in it.
func readSecretFile(path string) (string, error) {
	all, err := readSecretFiles([]string{path}, leastSecret)
	switch {
	case err != nil:
		return "", err
	case len(all) > 1:
		return "", &failure{code: exitConfig, err: fmt.Errorf("%s has %d lines, and one secret is wanted", path, len(all)), means: "nothing was started"}
	}
	return all[0], nil
}

// leastSecret is how long a secret is that nobody guesses, in bytes.
const leastSecret = 16

// readSecretFiles reads files with a secret on each line.
func readSecretFiles(paths []string, least int) ([]string, error) {
	var all []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, &failure{code: exitConfig, err: err, means: "nothing was started"}
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			secret := strings.TrimSpace(line)
			if secret == "" {
				continue
			}
			if n++; len(secret) < least {
				return nil, &failure{
					code: exitConfig, err: fmt.Errorf("%s: a secret of %d bytes, and one that nobody guesses has at least %d", path, len(secret), least),
					means: "nothing was started", do: "openssl rand -hex 16 > " + path,
				}
			}
			all = append(all, secret)
		}
		if n == 0 {
			return nil, &failure{code: exitConfig, err: fmt.Errorf("%s is empty", path), means: "nothing was started", do: "openssl rand -hex 16 > " + path}
		}
	}
	return all, nil
}

// change carries out what an operator wishes, as the commands do.
func (o *observatory) change(ctx context.Context, w api.Wish) (string, error) {
	c := o.list.current().config
	if c == nil {
		return "", &api.Problem{Status: http.StatusServiceUnavailable, Detail: errNoFile.Error(), Means: "nothing was changed"}
	}
	if c.Absent { // it was read again since, and is for looking: a record would lose its seal
		return "", &api.Problem{Status: http.StatusServiceUnavailable, Detail: errNotAll.Error(), Means: "nothing was changed", Do: "see what solotick validate says of the file"}
	}
	svc, err := openService(c.DNS)
	if err != nil {
		return "", problemFrom(err)
	}
	defer svc.close()
	s, err := findSite(c, w.Name)
	if err == nil {
		s.register, err = svc.register(s.name)
	}
	if err != nil {
		return "", problemFrom(err)
	}
	s.policy.SwapTime = svc.swapTime
	var t told
	switch w.Verb {
	case api.Pause:
		t, err = pause(ctx, s, w.For, w.Reason)
	case api.Resume:
		t, err = resume(ctx, s)
	case api.Trigger:
		t, err = trigger(ctx, s)
	default:
		err = fmt.Errorf("there is no %q", w.Verb)
	}
	if err != nil {
		return "", problemFrom(err)
	}
	return s.String() + ": " + strings.Join(strings.Fields(t.text), " "), nil
}

var errNotAll = errors.New("a credential or a key that the file takes is not here any more")

// problemFrom is a failure of a command as HTTP has it.
func problemFrom(err error) error {
	p := &api.Problem{Status: http.StatusInternalServerError, Detail: lines(err.Error()), Means: "it is not known to have been done"}
	var f *failure
	if !errors.As(err, &f) {
		return p
	}
	status := map[int]int{
		exitUsage: http.StatusBadRequest, exitFailed: http.StatusConflict, exitRefused: http.StatusConflict,
		exitUnreachable: http.StatusBadGateway, exitTryAgain: http.StatusServiceUnavailable, exitConfig: http.StatusBadGateway,
	}
	if s := status[f.code]; s != 0 {
		p.Status = s
	}
	p.Means, p.Do = lines(f.means), lines(f.do)
	return p
}
