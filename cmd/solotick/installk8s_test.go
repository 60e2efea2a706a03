package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

// installs runs install k8s and wants it to end with code.
func installs(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(context.Background(), append([]string{"install", "k8s"}, args...), strings.NewReader(""), &out, &errs); got != code {
		t.Fatalf("install k8s %q: code %d, want %d: %s", args, got, code, errs.String())
	}
	return out.String(), errs.String()
}

var rewriteManifests = flag.Bool("manifests", false, "rewrite deploy/kubernetes/agents.yaml")

// TestKubernetesManifests keeps what people read what the command prints.
func TestKubernetesManifests(t *testing.T) {
	t.Parallel()
	const file = "../../deploy/kubernetes/agents.yaml"
	got, _ := installs(t, exitOK, "-c", "../../deploy/kubernetes/example/solotick.yaml")
	if *rewriteManifests {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, file)), got); diff != "" {
		t.Errorf("%s (-want +got; go test ./cmd/solotick -run TestKubernetesManifests -manifests writes it):\n%s", file, diff)
	}
}

// TestKubernetesRefuses: what a pod cannot have is said before anything is printed.
func TestKubernetesRefuses(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "solotick.yaml")
	const head = "version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1, tsig: \"${file:/run/secrets/key}\" }\n"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(good, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(head + "jobs: { a: { every: 60s, exec: [x] } }\n")
	for want, args := range map[string][]string{
		"-c is missing":      {},
		"--name":             {"-c", good, "--name", "Solo_tick"},
		"--name \"a--":       {"-c", good, "--name", "a" + strings.Repeat("-", 50)},
		"--namespace":        {"-c", good, "--namespace", "a b"},
		"--image":            {"-c", good, "--image", "x\ny: z"},
		"--replicas 0":       {"-c", good, "--replicas", "0"},
		"unexpected argumen": {"-c", good, "more"},
	} {
		if out, errs := installs(t, exitUsage, args...); out != "" || !strings.Contains(errs, want) {
			t.Errorf("%q: printed %q, said %q, want %q", args, out, errs, want)
		}
	}
	for job, want := range map[string]string{
		"${vcap:a.b}":                         "is for Cloud Foundry",
		"${env:A B}":                          `no variable "A B"`,
		"${file:/key}":                        `nothing can be mounted at "/"`,
		"${file:/proc/1/environ}":             "nothing can be mounted",
		"${file:/tmp/key}":                    "nothing can be mounted",
		"${file:/run/secrets/x/y}":            "one folder in the other",
		"${file:/etc/solotick/x/y}":           "one folder in the other",
		"${file:/etc/solotick/solotick.yaml}": "where the agents' own file is",
	} {
		write(head + "jobs: { a: { every: 60s, exec: [x], env: { A: \"" + job + "\" } } }\n")
		if out, errs := installs(t, exitConfig, "-c", good); out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: printed %q, said %q, want %q", job, out, errs, want)
		}
	}
	write(head + "jobs: { a: { evry: 60s, exec: [x] } }\n")
	if out, errs := installs(t, exitConfig, "-c", good); out != "" || !strings.Contains(errs, "evry") {
		t.Errorf("a mistake: printed %q, said %q", out, errs)
	}
	write(head + "jobs: { a: { every: 60s, exec: [x] } }\n" + strings.Repeat("# long\n", 149_000))
	if _, errs := installs(t, exitConfig, "-c", good); !strings.Contains(errs, "a ConfigMap has room for") {
		t.Errorf("a large file: %s", errs)
	}
}

// TestKubernetesNamespace: each command that is told names it.
func TestKubernetesNamespace(t *testing.T) {
	t.Parallel()
	out, errs := installs(t, exitOK, "-c", "../../deploy/kubernetes/example/solotick.yaml", "--namespace", "jobs")
	for _, want := range []string{"namespace: jobs", "kubectl create secret generic solotick --namespace jobs ", "kubectl apply --namespace jobs -f -"} {
		if !strings.Contains(out, want) {
			t.Errorf("printed without %q:\n%s", want, out)
		}
	}
	if want := "kubectl rollout status deployment/solotick --namespace jobs\n"; !strings.Contains(errs, want) {
		t.Errorf("said %q, want %q", errs, want)
	}
}

// TestKubernetesNeverOver: -o makes a file once.
func TestKubernetesNeverOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"-c", "../../deploy/kubernetes/example/solotick.yaml", "--name", "night", "-o", dir}
	if out, errs := installs(t, exitOK, args...); out != "" || !strings.Contains(errs, "night.yaml is made") {
		t.Errorf("printed %q, said %q", out, errs)
	}
	first := readFile(t, filepath.Join(dir, "night.yaml"))
	installs(t, exitFailed, args...)
	if !bytes.Equal(first, readFile(t, filepath.Join(dir, "night.yaml"))) {
		t.Error("the file was written over")
	}
}

var scalars = []string{
	"", "\n", "a", "a\n", "a\n\n", "\na\n", " a\n  b\n", "a: b\n", "# a\n", "\ta\n", "a\r\nb\n", "a\u0085b\n", "\uFEFFa\n", "a \n \n", "a\n   \n",
	"- a\n", "---\na\n", "...\n", "%a\n", "true", "on", "1", "1e3", "0x1", "~", "a:", "a #b", "é\n", "\"\n", "a\u2028b", "{{ .Name }}\n", "\xff",
}

func FuzzBlockScalar(f *testing.F) {
	for _, s := range scalars {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?")
		for _, scalar := range []string{blockScalar(text, 2), yamlScalar(text)} {
			var got struct{ Data struct{ A, Z any } }
			if err := yaml.Unmarshal([]byte("data:\n  a: "+scalar+"\n  z: end\n"), &got); err != nil {
				t.Fatalf("%q as %s: %v", text, scalar, err)
			}
			if got.Data.A != text || got.Data.Z != "end" {
				t.Fatalf("%q as %s is %q, and %v comes after it", text, scalar, got.Data.A, got.Data.Z)
			}
		}
	})
}
