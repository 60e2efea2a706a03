package deploy

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// TestManifests decodes what is there to be copied, and a typo in it is refused.
func TestManifests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(top, "deploy/kubernetes/*.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d manifests, %v: want those of agents, page, network and monitoring", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			mustDecode(t, string(text))
			typos := 0
			for right, wrong := range map[string]string{
				"\n  replicas:": "\n  replica:", "podSelector:": "podSelektor:", "path: /metrics": "pfad: /metrics",
				"readOnlyRootFilesystem:": "readOnlyRootFileSystem:", "  name: solotick\n": "  name: solotick\n  name: solotick\n",
			} {
				changed := strings.Replace(string(text), right, wrong, 1)
				if changed == string(text) {
					continue
				}
				typos++
				if _, err := decode(changed); err == nil {
					t.Errorf("%s in the place of %s is not noticed", wrong, right)
				}
			}
			if typos == 0 {
				t.Error("no typo was tried")
			}
		})
	}
}

// TestRules: the rules for pods find what they are there for.
func TestRules(t *testing.T) {
	t.Parallel()
	text := string(read(t, "deploy/kubernetes/agents.yaml"))
	for right, wrong := range map[string]string{
		"automountServiceAccountToken: false": "automountServiceAccountToken: true",
		"runAsNonRoot: true":                  "runAsNonRoot: false",
		"type: RuntimeDefault":                "type: Unconfined",
		"drop: [ALL]":                         "drop: [NET_RAW]",
		"readOnlyRootFilesystem: true":        "readOnlyRootFilesystem: false",
		"limits: { memory: 128Mi }":           "limits: { cpu: 1 }",
		"- name: http\n":                      "- name: metrics\n",
		"- { name: tmp, mountPath: /tmp }":    "- { name: other, mountPath: /tmp }",
		", readOnly: true":                    "",
	} {
		changed := strings.Replace(text, right, wrong, 1)
		all, err := decode(changed)
		if err != nil || changed == text {
			t.Fatalf("%s: %v", wrong, err)
		}
		if len(wrongs(all.pods[0])) == 0 {
			t.Errorf("%q in the place of %q is not noticed", wrong, right)
		}
	}
}

const ofKey = `version: 1
agent: { %s }
dns: { provider: rfc2136, zone: example.com, server: "${env:SERVER:-ns1.example.com}", tsig: "%s" }
jobs:
  canary: { every: 60s, timeout: 30s, exec: ["true"], env: { A: "%s" } }
`

// TestInstall prints manifests of many files, and puts them together again as kubelet
// would: each file and variable is where the file looks for it, and the file that comes
// out of the ConfigMap is the one that went in, and valid.
func TestInstall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file  string
		args  []string
		env   int // variables of the Secret
		files int
		probe string // http, exec or none
	}{
		"usual":       {fmt.Sprintf(ofKey, `listen: ":9480", grace: 40s`, "${file:/run/secrets/solotick/key}", "${env:TOKEN}"), nil, 2, 1, "http"},
		"odd names":   {fmt.Sprintf(ofKey, `listen: "127.0.0.1:9480"`, "${file:/run/keys and more/a b'c: #}", "${env:on} ${env:NULL} ${file:/srv/true} ${file:/run/keys and more/a-b-c---} ${file:/srv/..x}"), []string{"--name", "on", "--namespace", "123", "--replicas", "1"}, 3, 4, "exec"},
		"same folder": {fmt.Sprintf(ofKey, "grace: 1s", "${file:/etc/solotick/key}", "${file:/etc/solotick/other} ${file:/run/x/key}"), nil, 1, 3, "none"},
		"credentials": {fmt.Sprintf(ofKey, `listen: "[::1]:9480"`, "${credential:key}", "${file:/run/x/key}"), []string{"--image", "localhost:5000/solotick@sha256:" + strings.Repeat("0a", 32)}, 1, 2, "exec"},
		"windows":     {strings.ReplaceAll(fmt.Sprintf(ofKey, `listen: "0.0.0.0:80"`, "${file:/run/x/key}", "é \u00a0"), "\n", "\r\n"), nil, 1, 1, "http"},
		"no newline":  {strings.TrimSuffix(fmt.Sprintf(ofKey, `listen: "${env:AT}"`, "${file:/run/x/key}", "{{ .Name }}"), "\n"), nil, 2, 1, "none"},
		"comments":    {"# a: b\n" + fmt.Sprintf(ofKey, `listen: ":9480"`, "${file:/run/x/key}", "x") + "\n\n# end\n\n", nil, 1, 1, "http"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := filepath.Join(t.TempDir(), "solotick.yaml")
			if err := os.WriteFile(in, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			text, err := solotick(t, nil, append([]string{"install", "k8s", "-c", in}, c.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			all := mustDecode(t, text)
			p := newPod(t, all)
			if p.env != c.env || p.files != c.files {
				t.Errorf("%d variables and %d files, want %d and %d:\n%s", p.env, p.files, c.env, c.files, text)
			}
			if got := p.probes(); got != c.probe {
				t.Errorf("probes: %s, want %s", got, c.probe)
			}
			if got := p.read("/etc/solotick/solotick.yaml"); got != c.file {
				t.Errorf("the file came out as %q, want %q", got, c.file)
			}
			p.validates()
			p.lasts(text)
		})
	}
}

// A pod is what kubelet would make of one.
type pod struct {
	t     *testing.T
	all   *objects
	spec  *core.PodSpec
	name  string
	root  string
	vars  []string
	env   int
	files int
}

func newPod(t *testing.T, all *objects) *pod {
	t.Helper()
	p := &pod{t: t, all: all, root: t.TempDir()}
	for name, d := range all.deployments {
		p.name, p.spec = name, &d.Spec.Template.Spec
	}
	if len(all.deployments) != 1 || all.kinds["PodDisruptionBudget"] != 1 {
		t.Fatalf("made are %v", all.kinds)
	}
	for _, s := range all.secrets {
		if len(s.Data)+len(s.StringData) != 0 {
			t.Error("the Secret has values")
		}
	}
	for _, e := range p.spec.Containers[0].Env {
		if problems := validation.IsEnvVarName(e.Name); problems != nil {
			t.Errorf("variable %q: %v", e.Name, problems)
		}
		if e.ValueFrom == nil {
			p.vars = append(p.vars, e.Name+"="+filepath.Join(p.root, e.Value))
			continue
		}
		p.secret(e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key)
		p.vars = append(p.vars, e.Name+"=value")
		p.env++
	}
	for _, m := range p.spec.Containers[0].VolumeMounts {
		for _, v := range p.spec.Volumes {
			if v.Name == m.Name && v.Projected != nil {
				p.project(m.MountPath, v.Projected)
			}
		}
	}
	return p
}

// secret wants a key that the Secret may have.
func (p *pod) secret(name, key string) {
	p.t.Helper()
	if problems := validation.IsConfigMapKey(key); problems != nil || p.all.secrets[name] == nil {
		p.t.Errorf("key %q of Secret %s: %v", key, name, problems)
	}
}

func (p *pod) project(at string, v *core.ProjectedVolumeSource) {
	p.t.Helper()
	if v.DefaultMode == nil || *v.DefaultMode != 0o440 {
		p.t.Errorf("%s: its files have mode %v", at, v.DefaultMode)
	}
	for _, s := range v.Sources {
		switch {
		case s.ConfigMap != nil:
			for name, text := range p.all.configs[s.ConfigMap.Name].Data {
				p.put(path.Join(at, name), text)
			}
		case s.Secret != nil:
			for _, i := range s.Secret.Items {
				p.secret(s.Secret.Name, i.Key)
				p.put(path.Join(at, i.Path), `key "solotick" { algorithm hmac-sha256; secret "c29sb3RpY2s="; };`)
				p.files++
			}
		}
	}
}

func (p *pod) put(at, text string) {
	p.t.Helper()
	file := filepath.Join(p.root, at)
	if _, err := os.Stat(file); err == nil {
		p.t.Errorf("two files at %s", at)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pod) read(at string) string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.root, at))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// probes says how kubelet asks.
func (p *pod) probes() string {
	c := p.spec.Containers[0]
	switch {
	case c.LivenessProbe == nil && c.ReadinessProbe == nil:
		return "none"
	case c.LivenessProbe.HTTPGet != nil && c.ReadinessProbe.HTTPGet != nil:
		return "http"
	case slices.Equal(c.LivenessProbe.Exec.Command[:2], []string{"/solotick", "health"}):
		return "exec"
	}
	return "others"
}

// validates has the program judge the file with what the pod has, at other paths.
func (p *pod) validates() {
	p.t.Helper()
	text := strings.ReplaceAll(p.read("/etc/solotick/solotick.yaml"), "${file:/", "${file:"+p.root+"/")
	file := filepath.Join(p.t.TempDir(), "moved.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	vars := slices.Clone(p.vars)
	for i, v := range vars {
		if strings.HasPrefix(v, "AT=") {
			vars[i] = "AT=127.0.0.1:9480"
		}
	}
	if _, err := solotick(p.t, vars, "validate", file); err != nil {
		p.t.Error(err)
	}
}

// lasts wants a pod's end to take as long as a run may, or to say why not.
func (p *pod) lasts(text string) {
	p.t.Helper()
	const timeout = 30 * time.Second
	grace := time.Duration(*p.spec.TerminationGracePeriodSeconds) * time.Second
	if grace < timeout+5*time.Second && !strings.Contains(text, "A run of canary may take 30s: one that has not ended by itself") {
		p.t.Errorf("a pod gets %v to end, a run takes up to %v, and nothing is said of it", grace, timeout)
	}
}
