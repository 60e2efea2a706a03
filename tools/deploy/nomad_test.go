package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
)

// What the job file uses of Nomad's language, by its documentation: Nomad's own parser
// is not free software, so that a block or key that is not here is refused.
type jobFile struct {
	Job struct {
		Name        string   `hcl:"name,label"`
		Datacenters []string `hcl:"datacenters"`
		Type        string   `hcl:"type"`
		Group       group    `hcl:"group,block"`
	} `hcl:"job,block"`
}

type group struct {
	Name   string `hcl:"name,label"`
	Count  int    `hcl:"count"`
	Spread struct {
		Attribute string `hcl:"attribute"`
	} `hcl:"spread,block"`
	Network struct {
		Port struct {
			Name string `hcl:"name,label"`
			To   int    `hcl:"to"`
		} `hcl:"port,block"`
	} `hcl:"network,block"`
	Service struct {
		Name     string `hcl:"name"`
		Port     string `hcl:"port"`
		Provider string `hcl:"provider"`
		Check    struct {
			Type     string `hcl:"type"`
			Path     string `hcl:"path"`
			Interval string `hcl:"interval"`
			Timeout  string `hcl:"timeout"`
			Restart  struct {
				Limit int    `hcl:"limit"`
				Grace string `hcl:"grace"`
			} `hcl:"check_restart,block"`
		} `hcl:"check,block"`
	} `hcl:"service,block"`
	Update struct {
		MaxParallel int    `hcl:"max_parallel"`
		HealthCheck string `hcl:"health_check"`
		AutoRevert  bool   `hcl:"auto_revert"`
	} `hcl:"update,block"`
	Restart struct {
		Attempts int    `hcl:"attempts"`
		Interval string `hcl:"interval"`
		Delay    string `hcl:"delay"`
		Mode     string `hcl:"mode"`
	} `hcl:"restart,block"`
	Task task `hcl:"task,block"`
}

type task struct {
	Name   string `hcl:"name,label"`
	Driver string `hcl:"driver"`
	Config struct {
		Image          string   `hcl:"image"`
		Args           []string `hcl:"args"`
		Ports          []string `hcl:"ports"`
		ReadonlyRootfs bool     `hcl:"readonly_rootfs"`
		CapDrop        []string `hcl:"cap_drop"`
		SecurityOpt    []string `hcl:"security_opt"`
	} `hcl:"config,block"`
	KillSignal  string `hcl:"kill_signal"`
	KillTimeout string `hcl:"kill_timeout"`
	Templates   []struct {
		Destination  string `hcl:"destination"`
		ChangeMode   string `hcl:"change_mode"`
		ChangeSignal string `hcl:"change_signal,optional"`
		Perms        string `hcl:"perms,optional"`
		UID          int    `hcl:"uid,optional"`
		GID          int    `hcl:"gid,optional"`
		Data         string `hcl:"data"`
	} `hcl:"template,block"`
	Resources struct {
		CPU       int `hcl:"cpu"`
		Memory    int `hcl:"memory"`
		MemoryMax int `hcl:"memory_max"`
	} `hcl:"resources,block"`
}

func parseJob(text []byte) (f jobFile, err error) {
	file, diags := hclparse.NewParser().ParseHCL(text, "solotick.nomad.hcl")
	if diags.HasErrors() {
		return f, diags
	}
	id := cty.StringVal("${node.unique.id}") // what Nomad leaves for later
	node := cty.ObjectVal(map[string]cty.Value{"unique": cty.ObjectVal(map[string]cty.Value{"id": id})})
	if diags := gohcl.DecodeBody(file.Body, &hcl.EvalContext{Variables: map[string]cty.Value{"node": node}}, &f); diags.HasErrors() {
		return f, diags
	}
	return f, nil
}

func TestNomad(t *testing.T) {
	t.Parallel()
	text := read(t, "deploy/nomad/solotick.nomad.hcl")
	f, err := parseJob(text)
	if err != nil {
		t.Fatal(err)
	}
	g := f.Job.Group
	n := g.Task
	span := func(text string) time.Duration {
		t.Helper()
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Error(err)
		}
		return d
	}
	for what, ok := range map[string]bool{
		"three agents of a service":   f.Job.Type == "service" && g.Count == 3 && g.Spread.Attribute == "${node.unique.id}",
		"the port that is asked":      g.Network.Port.Name == g.Service.Port && n.Config.Ports[0] == g.Service.Port && g.Network.Port.To == 9480,
		"whether it lives":            g.Service.Check.Type == "http" && g.Service.Check.Path == "/livez" && g.Service.Check.Restart.Limit > 1,
		"time to end":                 span(n.KillTimeout) >= 23*time.Second+5*time.Second && span(n.KillTimeout) <= 30*time.Second && n.KillSignal == "SIGTERM",
		"nothing to write to":         n.Config.ReadonlyRootfs && n.Config.CapDrop[0] == "all" && n.Config.SecurityOpt[0] == "no-new-privileges",
		"memory":                      n.Resources.Memory >= 32 && n.Resources.Memory <= n.Resources.MemoryMax,
		"the file and the key":        len(n.Templates) == 2 && "/"+n.Templates[0].Destination == n.Config.Args[2],
		"a check within its interval": span(g.Service.Check.Timeout) < span(g.Service.Check.Interval) && span(g.Service.Check.Restart.Grace) > 0 && span(g.Restart.Interval) > span(g.Restart.Delay),
	} {
		if !ok {
			t.Errorf("want %s", what)
		}
	}
	key := n.Templates[1]
	if key.Destination != "secrets/solotick.key" || key.Perms != "0400" || key.UID != 65532 || key.ChangeSignal != "SIGHUP" || !strings.Contains(key.Data, "nomadVar") {
		t.Errorf("the key: %+v", key)
	}
	file := n.Templates[0].Data
	if !strings.Contains(file, `listen: ":9480"`) || !strings.Contains(file, "grace: 23s") || !strings.Contains(file, "timeout: 20s") {
		t.Errorf("the file is another one than the rules are for:\n%s", file)
	}
	if _, err := solotick(t, nil, "validate", writeKey(t, file, "/secrets/solotick.key")); err != nil {
		t.Error(err)
	}
	for right, wrong := range map[string]string{"count = 3": "cuont = 3", "  spread {": "  spraed {", "kill_timeout ": "kill_time_out ", "check_restart {": "check_restarts {", "count = 3\n": "count = \n"} {
		changed := strings.Replace(string(text), right, wrong, 1)
		if _, err := parseJob([]byte(changed)); err == nil || changed == string(text) {
			t.Errorf("%s in the place of %s is not noticed", wrong, right)
		}
	}
}

// writeKey writes a file of agents whose key is at a path of the platform's, and the
// key, and returns where the file is.
func writeKey(t *testing.T, text, at string) string {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "solotick.key")
	if !strings.Contains(text, "${file:"+at+"}") {
		t.Errorf("the file takes no key from %s:\n%s", at, text)
	}
	for name, content := range map[string]string{
		key:                                 `key "solotick" { algorithm hmac-sha256; secret "c29sb3RpY2s="; };`,
		filepath.Join(dir, "solotick.yaml"): strings.ReplaceAll(text, at, key),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "solotick.yaml")
}
