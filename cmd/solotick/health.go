package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthURL is where an agent says whether it lives if its file has the address that
// the documentation gives.
const healthURL = "http://127.0.0.1:9480/livez"

func (a *app) healthCommand() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "health [URL]",
		Short: "Ask a process of this machine whether it lives, for containers",
		Long: `Ask an agent that has agent.listen, or "serve", whether it lives: 0 if it says so, 1 if
it says no, 69 if it does not answer. For images that have no shell and no curl.

No file is read, since one with a mistake does not end an agent. Without URL it is
` + healthURL + `; a HOST:PORT or a URL without a path is asked for
/livez. /readyz says whether the newest files are in force.`,
		Example: "  solotick health\n  solotick health 127.0.0.1:8080\n  solotick health http://127.0.0.1:9480/readyz",
		Args:    atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := healthURL
			if len(args) > 0 {
				target = args[0]
			}
			at, err := healthAt(target)
			if err != nil {
				return err
			}
			if timeout <= 0 {
				return usage("--timeout %s: want more than nothing", timeout)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return a.health(ctx, at)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take")
	return c
}

// healthAt is the URL that is meant.
func healthAt(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage("%q is no address of a process: want HOST:PORT, or a URL with http or https", text)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/livez"
	}
	return u, nil
}

func (a *app) health(ctx context.Context, at *url.URL) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return err
	}
	// A proxy of the environment has no business between a process and itself.
	t := &http.Transport{DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	client := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error // it would name the address twice
		if errors.As(err, &u) {
			err = u.Err
		}
		return &failure{
			code: exitUnreachable, err: fmt.Errorf("%s does not answer: %w", at.Host, err), about: "that process",
			means: "it does not run, or it listens elsewhere", do: "agent: { listen: 127.0.0.1:9480 } in its file, or name its address",
		}
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	first, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	if resp.StatusCode != http.StatusOK {
		return &failure{code: exitFailed, err: fmt.Errorf("%s: %s: %s", at, resp.Status, plain(first))}
	}
	return a.sayf("%s\n", plain(first))
}
