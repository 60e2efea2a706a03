package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/deploy"
)

// cfKill is how long Cloud Foundry waits from TERM to KILL, unless its operators have
// changed that.
const cfKill = 10 * time.Second

func (a *app) installCFCommand() *cobra.Command {
	var i installation
	c := &cobra.Command{
		Use:   "cf",
		Short: "Print a manifest for Cloud Foundry",
		Long: `Print a manifest for cf push that runs three agents of a file as one app without a
route. With -c it is filled in: the file's name, the services whose credentials it
takes, and, where agent.listen has ${env:PORT}, a health check. Nothing is written but
with -o, and no file is overwritten. What to do next is said on stderr.`,
		Example: "  solotick install cf -c solotick.yaml > manifest.yml\n  solotick install cf -c solotick.yaml -o app",
		Args:    exactly(),
		RunE:    func(*cobra.Command, []string) error { return a.installCF(&i) },
	}
	i.flags(c)
	return c
}

func (a *app) installCF(i *installation) error {
	o, err := i.outline()
	if err != nil {
		return err
	}
	manifest, steps := deploy.Manifest, []string(nil)
	if o != nil {
		if manifest, steps, err = manifestFor(i.file, o); err != nil {
			return err
		}
	}
	steps = append(steps,
		"CGO_ENABLED=0 GOOS=linux go build -o solotick ./cmd/solotick    # beside the manifest, or take it from a release",
		"cf push", "cf logs solotick --recent", "cf scale solotick --process worker -i 5    # and nothing else changes")
	if o != nil && asksPort(o) {
		steps[len(steps)-1] = strings.Replace(steps[len(steps)-1], "worker", "web", 1)
	}
	return i.put(a, "manifest.yml", manifest, steps)
}

// asksPort says whether agents listen where Cloud Foundry asks them.
func asksPort(o *config.Outline) bool { return strings.Contains(o.Listen, "${env:PORT") }

// manifestFor fills the manifest in.
func manifestFor(file string, o *config.Outline) (manifest string, steps []string, err error) {
	name := filepath.Base(file)
	if strings.Contains(name, "((") {
		return "", nil, usage("-c %q: cf push replaces ((...)) in a manifest; call the file otherwise", file)
	}
	manifest = deploy.Manifest
	if asksPort(o) {
		manifest = deploy.ManifestHTTP
	}
	manifest = strings.ReplaceAll(filledIn(manifest), "command: exec ./solotick run -c solotick.yaml", "command: "+quoteYAML("exec ./solotick run -c "+quoteShell(name)))
	services := servicesOf(o)
	manifest = setServices(manifest, services)
	for _, s := range services {
		steps = append(steps, fmt.Sprintf("cf create-user-provided-service %s -p %s    # which asks for the values", plain(quoteShell(s)), plain(quoteShell(strings.Join(keysOf(o, s), ", ")))))
	}
	for _, n := range o.Needs {
		switch {
		case n.Kind == "file" || n.Kind == "credential":
			steps = append(steps, fmt.Sprintf("# In line %d write ${vcap:solotick.NAME} for ${%s:%s}: there is no such file in a container.", n.Line, n.Kind, plain(n.Name)))
		case n.Kind == "env" && n.Must && n.Name != "PORT" && !strings.HasPrefix(n.Name, "CF_") && !strings.HasPrefix(n.Name, "VCAP_"):
			steps = append(steps, fmt.Sprintf("cf set-env solotick %s VALUE    # after a first cf push --no-start; a secret is better off in a service: ${vcap:solotick.NAME}", plain(quoteShell(n.Name))))
		}
	}
	if o.Agent.Grace >= cfKill-parting/2 {
		steps = append(steps, fmt.Sprintf("# agent.grace is %s, and Cloud Foundry kills %s after TERM: leave it at 8s, or a run in progress is not handed over but waited for.", seconds(o.Agent.Grace), seconds(cfKill)))
	}
	return manifest, append(steps, graceStep(o)...), nil
}

// servicesOf are the service instances whose credentials the file takes.
func servicesOf(o *config.Outline) []string {
	var all []string
	for _, n := range o.Needs {
		if s, _, _ := strings.Cut(n.Name, "."); n.Kind == "vcap" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// keysOf are the credentials of a service that the file takes: what the first word of
// each path names.
func keysOf(o *config.Outline, service string) []string {
	var all []string
	for _, n := range o.Needs {
		s, path, _ := strings.Cut(n.Name, ".")
		key, _, _ := strings.Cut(path, ".")
		if n.Kind == "vcap" && s == service && !slices.Contains(all, key) {
			all = append(all, key)
		}
	}
	return all
}

// setServices has a manifest bind these services, and no other.
func setServices(manifest string, services []string) string {
	const block = "    services:\n      - solotick\n"
	if len(services) == 0 {
		before, after, _ := strings.Cut(manifest, block)
		before, _, _ = strings.Cut(before, "    # Service instances ")
		return before + after
	}
	text := "    services:\n"
	for _, s := range services {
		text += "      - " + quoteYAML(s) + "\n"
	}
	return strings.Replace(manifest, block, text, 1)
}

// quoteYAML has YAML take a text as it is: a text of JSON is one of YAML.
func quoteYAML(text string) string {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./ ") == "" && text == strings.TrimSpace(text) && text != "" && text[0] > '9' {
		switch strings.ToLower(text) {
		case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		default:
			return text
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always can be
	return strings.TrimSuffix(b.String(), "\n")
}
