package deploy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation"
	yamlreader "k8s.io/apimachinery/pkg/util/yaml"
)

// objects are what one set of manifests makes.
type objects struct {
	configs     map[string]*core.ConfigMap
	secrets     map[string]*core.Secret
	deployments map[string]*apps.Deployment
	pods        []*core.PodSpec // of deployments and of bare pods
	kinds       map[string]int
}

// decode takes manifests as the API server does with strict validation: no unknown
// field, none twice.
func decode(text string) (*objects, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{core.AddToScheme, apps.AddToScheme, networking.AddToScheme, policy.AddToScheme, monitoring.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	all := &objects{configs: map[string]*core.ConfigMap{}, secrets: map[string]*core.Secret{}, deployments: map[string]*apps.Deployment{}, kinds: map[string]int{}}
	docs := yamlreader.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(comments.ReplaceAll(doc, nil))) == 0 {
			continue
		}
		o, kind, err := strict.Decode(doc, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, doc)
		}
		all.kinds[kind.Kind]++
		if err := all.add(o); err != nil {
			return nil, err
		}
	}
}

var comments = regexp.MustCompile(`(?m)^(#.*|---)$`)

func (all *objects) add(o runtime.Object) error {
	var name string
	switch o := o.(type) {
	case *core.ConfigMap:
		name = o.Name
		all.configs[name] = o
	case *core.Secret:
		name = o.Name
		all.secrets[name] = o
	case *apps.Deployment:
		name = o.Name
		all.deployments[name] = o
		all.pods = append(all.pods, &o.Spec.Template.Spec)
		for k, v := range o.Spec.Selector.MatchLabels {
			if o.Spec.Template.Labels[k] != v {
				return fmt.Errorf("deployment %s selects %s=%s, which its pods are not", name, k, v)
			}
		}
	case *core.Pod:
		name = o.Name
		all.pods = append(all.pods, &o.Spec)
	case *core.Service:
		name = o.Name
	case *policy.PodDisruptionBudget:
		name = o.Name
	case *networking.NetworkPolicy:
		name = o.Name
	case *monitoring.PodMonitor:
		name = o.Name
	default:
		return fmt.Errorf("%T is nothing that agents need", o)
	}
	if problems := validation.IsDNS1123Subdomain(name); problems != nil {
		return fmt.Errorf("%T %q: %v", o, name, problems)
	}
	return nil
}

// mustDecode is decode, and the rules that every pod keeps.
func mustDecode(t *testing.T, text string) *objects {
	t.Helper()
	all, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all.pods {
		for _, problem := range wrongs(p) {
			t.Errorf("a pod of %s: %s", p.Containers[0].Name, problem)
		}
	}
	return all
}

// wrongs are what a pod must not be.
func wrongs(p *core.PodSpec) (all []string) {
	want := func(ok bool, what string) {
		if !ok {
			all = append(all, what)
		}
	}
	is := func(b *bool, v bool) bool { return b != nil && *b == v }
	want(is(p.AutomountServiceAccountToken, false), "it gets a token of the API server")
	s := p.SecurityContext
	want(s != nil && is(s.RunAsNonRoot, true) && s.RunAsUser != nil && *s.RunAsUser == 65532, "it may be root")
	want(s != nil && s.SeccompProfile != nil && s.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault, "no seccomp profile")
	want(!p.HostNetwork && !p.HostPID && !p.HostIPC, "it is in namespaces of its host")
	mounted := map[string]bool{}
	for _, c := range p.Containers {
		s := c.SecurityContext
		want(s != nil && is(s.AllowPrivilegeEscalation, false) && is(s.ReadOnlyRootFilesystem, true), c.Name+" can change its image or its rights")
		want(s != nil && s.Capabilities != nil && len(s.Capabilities.Drop) == 1 && s.Capabilities.Drop[0] == "ALL" && len(s.Capabilities.Add) == 0, c.Name+" keeps capabilities")
		want(!c.Resources.Requests.Memory().IsZero() && !c.Resources.Limits.Memory().IsZero() && c.Resources.Requests.Memory().Cmp(*c.Resources.Limits.Memory()) <= 0, c.Name+" has no bounds of memory")
		want(len(c.Args) > 0, c.Name+" has no arguments")
		ports := map[string]bool{}
		for _, port := range c.Ports {
			ports[port.Name] = true
		}
		for _, probe := range []*core.Probe{c.LivenessProbe, c.ReadinessProbe} {
			if probe != nil && probe.HTTPGet != nil {
				want(ports[probe.HTTPGet.Port.String()], c.Name+" is asked at a port that it has not")
			}
		}
		paths := map[string]bool{}
		for _, m := range c.VolumeMounts {
			want(!paths[m.MountPath], "two volumes at "+m.MountPath)
			want(m.ReadOnly || m.MountPath == "/tmp", m.MountPath+" can be written to")
			paths[m.MountPath], mounted[m.Name] = true, true
		}
	}
	for _, v := range p.Volumes {
		want(mounted[v.Name], "nobody mounts "+v.Name)
		delete(mounted, v.Name)
	}
	for name := range mounted {
		want(false, "there is no volume "+name)
	}
	return all
}
