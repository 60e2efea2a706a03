package deploy

import (
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const chart = top + "/deploy/helm/solotick"

func values(t *testing.T, text string) map[string]any {
	t.Helper()
	v := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// render is helm template: the manifests, and what is said after an installation.
func render(t *testing.T, release, text string) (manifests, notes string, err error) {
	t.Helper()
	c, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(c, values(t, text), common.ReleaseOptions{Name: release, Namespace: "jobs", IsInstall: true, Revision: 1}, nil)
	if err != nil {
		return "", "", err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	for name, out := range files {
		if filepath.Base(name) == "NOTES.txt" {
			notes = out
			continue
		}
		b.WriteString("---\n" + out + "\n")
	}
	return b.String(), notes, nil
}

var everything = `
replicas: 5
image: { repository: ghcr.example.com/a/b, tag: "1.2.3", pullPolicy: IfNotPresent }
imagePullSecrets: [ { name: pull } ]
secret: { name: "on", mountPath: /run/secrets/solotick, env: [TOKEN, "NULL", "Y"], optional: true }
port: 8081
terminationGracePeriodSeconds: 120
podAnnotations: { "a.example.com/b": "true" }
podLabels: { team: "1" }
nodeSelector: { kubernetes.io/arch: arm64 }
tolerations: [ { key: spot, operator: Exists, effect: NoSchedule } ]
affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [ { weight: 1, preference: { matchExpressions: [ { key: a, operator: Exists } ] } } ] } }
priorityClassName: high
serviceAccountName: cloud
env: [ { name: HTTPS_PROXY, value: "http://proxy:3128" } ]
volumes: [ { name: more, configMap: { name: scripts, defaultMode: 365 } } ]
volumeMounts: [ { name: more, mountPath: /scripts, readOnly: true } ]
topologySpread: { whenUnsatisfiable: DoNotSchedule }
podDisruptionBudget: { maxUnavailable: "50%" }
networkPolicy: { enabled: true, egress: [ { to: [ { ipBlock: { cidr: 192.0.2.0/24 } } ], ports: [ { protocol: TCP, port: 5432 } ] } ] }
podMonitor: { enabled: true, interval: 15s, labels: { release: prometheus } }
serve: { enabled: true, args: ["--title", "a: b # c"] }
`

// TestChart renders the chart for values of many kinds, and lints it with each as
// helm lint --strict does.
func TestChart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		release, values string
		kinds           map[string]int
	}{
		"defaults":   {"solotick", "", map[string]int{"ConfigMap": 1, "Deployment": 1, "PodDisruptionBudget": 1, "Pod": 1}},
		"everything": {"night", everything, map[string]int{"ConfigMap": 1, "Deployment": 2, "PodDisruptionBudget": 1, "NetworkPolicy": 1, "PodMonitor": 1, "Service": 1, "Pod": 1}},
		"page by name": {"a", "serve: { enabled: true, names: [canary.example.com, \"on\"] }\nreplicas: 1\n", map[string]int{
			"ConfigMap": 1, "Deployment": 2, "PodDisruptionBudget": 1, "Service": 1, "Pod": 1,
		}},
		"of others": {strings.Repeat("x", 53), "existingConfigMap: theirs\nsecret: { name: \"\" }\npodDisruptionBudget: { enabled: false }\nprobes: { enabled: false }\ntopologySpread: { keys: [] }\n", map[string]int{
			"Deployment": 1, "Pod": 1,
		}},
		"digest": {"solotick-2", "image: { digest: \"sha256:" + strings.Repeat("0a", 32) + "\" }\nfullnameOverride: short\n", map[string]int{
			"ConfigMap": 1, "Deployment": 1, "PodDisruptionBudget": 1, "Pod": 1,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			linted := lint.RunAll(chart, values(t, c.values), "jobs")
			for _, m := range linted.Messages {
				if m.Severity >= support.WarningSev {
					t.Error(m)
				}
			}
			text, notes, err := render(t, c.release, c.values)
			if err != nil {
				t.Fatal(err)
			}
			all := mustDecode(t, text)
			for kind, n := range c.kinds {
				if all.kinds[kind] != n {
					t.Errorf("%d of kind %s, want %d", all.kinds[kind], kind, n)
				}
				delete(all.kinds, kind)
			}
			if len(all.kinds) != 0 {
				t.Errorf("also made: %v", all.kinds)
			}
			if !strings.Contains(notes, "helm test "+c.release) {
				t.Errorf("the notes: %s", notes)
			}
		})
	}
}

// TestChartRefuses: values that are none are told, rather than left out.
func TestChartRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"replicas: three", "replicas: 0", "replica: 3", "image: { repo: x }", "image: { repository: \"\" }", "image: { digest: abc }",
		"secret: { env: [\"A B\"] }", "secret: { mountPath: run }", "serve: { port: 0 }", "topologySpread: { whenUnsatisfiable: Never }", "config: { version: 1 }",
		"podMonitor: { enable: true }",
	} {
		if _, _, err := render(t, "solotick", text); err == nil {
			t.Errorf("%s: rendered", text)
		}
	}
}

// TestChartFile: the file of the values is valid, comes out as it went in, and its pods
// get as long as it takes them to end.
func TestChartFile(t *testing.T) {
	t.Parallel()
	const odd = "# {{ .Release.Name }} \"quoted\" 'too' ${env:X:-y}\\n\n\ttab\n"
	for name, text := range map[string]string{"default": "", "odd": "config: " + quote(t, odd)} {
		all := render1(t, text)
		file := all.configs["solotick"].Data["solotick.yaml"]
		if name == "odd" {
			if file != odd {
				t.Errorf("the file came out as %q, want %q", file, odd)
			}
			continue
		}
		in := writeKey(t, file, "/run/secrets/solotick/solotick.key")
		if _, err := solotick(t, nil, "validate", in); err != nil {
			t.Error(err)
		}
		if got := all.deployments["solotick"].Spec.Template.Spec.TerminationGracePeriodSeconds; *got != 50 || !strings.Contains(file, "grace: 45s") {
			t.Errorf("a pod gets %d s, want agent.grace and 5 s", *got)
		}
	}
}

func render1(t *testing.T, text string) *objects {
	t.Helper()
	out, _, err := render(t, "solotick", text)
	if err != nil {
		t.Fatal(err)
	}
	return mustDecode(t, out)
}

func quote(t *testing.T, text string) string {
	t.Helper()
	out, err := yaml.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(string(out), "|") {
		return strings.ReplaceAll(string(out), "\n", "\n  ") + "\n"
	}
	return string(out)
}
