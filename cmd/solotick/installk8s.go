package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/deploy"
)

func (a *app) installK8sCommand() *cobra.Command {
	var i installation
	var k manifests
	c := &cobra.Command{
		Use:   "k8s",
		Short: "Print manifests of Kubernetes for agents",
		Long: `Print manifests for agents in Kubernetes: a ConfigMap with the file itself, a Secret
that names what the file takes by ${env:} and ${file:} and has none of it, a Deployment
that hands it over, and a PodDisruptionBudget. What the file takes need not be on this
machine. Nothing is written but with -o, and no file is overwritten.`,
		Example: "  solotick install k8s -c solotick.yaml --image registry.example.com/solotick:1\n" +
			"  solotick install k8s -c solotick.yaml --namespace jobs | kubectl apply -f -",
		Args: exactly(),
		RunE: func(*cobra.Command, []string) error { return a.installK8s(&i, &k) },
	}
	i.flags(c)
	f := c.Flags()
	f.StringVar(&k.Name, "name", "solotick", "of all that is made")
	f.StringVar(&k.Namespace, "namespace", "", "the namespace (default: the one that kubectl uses)")
	f.StringVar(&k.Image, "image", "registry.example.com/solotick:1", "the image, in a registry of yours")
	f.IntVar(&k.Replicas, "replicas", 3, "how many agents")
	return c
}

// manifests are what the template is filled in with. What may be any text is made
// YAML there by the function yaml.
type manifests struct {
	Name, Namespace, Image string
	Replicas               int

	File    string         // as a scalar of YAML
	Secrets []secretKey    // that the file takes
	Fill    []string       // how the Secret is filled
	Grace   []string       // what Seconds is made of
	Seconds int            // from TERM to KILL of a pod
	Spread  []string       // over what the agents are spread
	Env     []podVariable  // of the agents
	Listens []string       // why there are no probes
	Port    int            // where kubelet can ask; 0: only a command in the pod can
	Probes  []podProbe     // none: nobody can
	Volumes []podVolume    // in the order of their folders
	keys    map[string]int // of the Secret, to how often they were asked for
}

type secretKey struct{ Key, From, fill string }

type podVariable struct {
	Name, Value, Key string // Value, or the key of the Secret
	Optional         bool
}

type podProbe struct {
	Name, Path, URL  string
	Period, Failures int
}

type podVolume struct {
	Name, Path string
	File       bool // the agents' own
	Items      []podItem
}

type podItem struct{ Key, Path string }

const (
	// k8sDir holds the agents' file, and credentials the files of ${credential:}.
	k8sDir         = "/etc/solotick"
	k8sCredentials = "/run/credentials"
	// k8sMargin is for the report of a run that was ended, and a slow server.
	k8sMargin = 5 * time.Second
	// k8sFile is how large a file may be in a ConfigMap, with room for the rest of it.
	k8sFile = 1<<20 - 16<<10
)

var (
	k8sLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	// k8sName leaves room for the hashes of pods.
	k8sName  = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,44}[a-z0-9])?$`)
	k8sEnv   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	k8sImage = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9._:/@]*$`)
)

func (a *app) installK8s(i *installation, k *manifests) error {
	switch {
	case i.file == "":
		return usage("-c is missing: the file that the agents are to have")
	case !k8sName.MatchString(k.Name):
		return usage("--name %q: want at most 46 of a-z, 0-9 and -, beginning with a letter", k.Name)
	case k.Namespace != "" && !k8sLabel.MatchString(k.Namespace):
		return usage("--namespace %q: want at most 63 of a-z, 0-9 and -", k.Namespace)
	case !k8sImage.MatchString(k.Image):
		return usage("--image %q is no reference of an image", k.Image)
	case k.Replicas < 1 || k.Replicas > 1000:
		return usage("--replicas %d: want 1 to 1000", k.Replicas)
	}
	o, err := i.outline()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(i.file)
	if err != nil {
		return configFailure(err)
	}
	if len(text) > k8sFile {
		return &failure{code: exitConfig, err: fmt.Errorf("%s has %d bytes, and a ConfigMap has room for %d", i.file, len(text), k8sFile), do: "jobs_from: takes the jobs from elsewhere"}
	}
	k.File, k.Spread = blockScalar(string(text), 2), []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
	k.ask(o)
	k.bear(o)
	if err := k.hand(o.Needs); err != nil {
		return &failure{code: exitConfig, err: err, means: "nothing was printed", about: "manifests", do: "change it in " + plain(i.file)}
	}
	k.fill()
	out, err := k.print()
	if err != nil {
		return err
	}
	return i.put(a, k.Name+".yaml", out, k.steps())
}

// ask sets how Kubernetes asks an agent whether it lives.
func (k *manifests) ask(o *config.Outline) {
	host, port, ok := listens(o.Listen)
	if !ok {
		k.Listens = []string{"No probes: agent.listen of the file is missing or told elsewhere. With", `agent: { listen: ":9480" } Kubernetes can ask whether an agent lives.`}
		return
	}
	k.Probes = []podProbe{
		{Name: "livenessProbe", Path: "/livez", Period: 20, Failures: 3},
		{Name: "readinessProbe", Path: "/readyz", Period: 10, Failures: 3},
	}
	if host == "" {
		k.Port = port
		return
	}
	k.Listens = []string{"agent.listen of the file is for the pod itself alone, so a command in it asks."}
	for i := range k.Probes {
		k.Probes[i].URL = fmt.Sprintf("http://%s:%d%s", host, port, k.Probes[i].Path)
	}
}

// bear sets how long a pod's end may take.
func (k *manifests) bear(o *config.Outline) {
	whole := o.Agent.Grace
	var slow *config.Job // the one that may take longest beyond it
	for i := range o.Jobs {
		j := &o.Jobs[i]
		whole = max(whole, j.KillGrace)
		if slow == nil || slow.Timeout != 0 && (j.Timeout == 0 || j.Timeout > slow.Timeout) {
			slow = j
		}
	}
	k.Seconds = int((whole + k8sMargin + time.Second - 1) / time.Second)
	k.Grace = []string{fmt.Sprintf("A run has ended when agent.grace (%v) is over; %v are for its report.", o.Agent.Grace, k8sMargin)}
	if slow == nil || slow.Timeout != 0 && slow.Timeout <= o.Agent.Grace-slow.KillGrace {
		return
	}
	long := "as long as it likes"
	if slow.Timeout > 0 {
		long = slow.Timeout.String()
	}
	k.Grace = append(k.Grace, fmt.Sprintf("A run of %s may take %s: one that has not ended by itself", plain(slow.Name), long),
		fmt.Sprintf("%v before that is sent TERM, and begun again by another agent.", slow.KillGrace))
}

// hand sets how the agents get what the file takes from elsewhere.
func (k *manifests) hand(needs []config.Need) error {
	k.keys = map[string]int{}
	at := map[string]*podVolume{k8sDir: {Path: k8sDir, File: true}}
	for _, n := range needs {
		where := n.Name
		switch n.Kind {
		case "vcap":
			return fmt.Errorf("line %d: ${vcap:%s} is for Cloud Foundry; want ${env:} or ${file:}", n.Line, n.Name)
		case "env":
			if !k8sEnv.MatchString(n.Name) {
				return fmt.Errorf("line %d: a pod has no variable %q: want letters, digits and _", n.Line, n.Name)
			}
			key := k.key(n.Name)
			k.Env = append(k.Env, podVariable{Name: n.Name, Key: key, Optional: !n.Must})
			k.Secrets = append(k.Secrets, secretKey{key, fmt.Sprintf("${env:%s}, line %d", n.Name, n.Line), fmt.Sprintf("--from-literal=%s=\"$%s\"", key, n.Name)})
			continue
		case "credential":
			where = path.Join(k8sCredentials, n.Name)
			if at[k8sCredentials] == nil {
				k.Env = append(k.Env, podVariable{Name: "CREDENTIALS_DIRECTORY", Value: k8sCredentials})
			}
		}
		dir, base, err := k.place(n, where, at)
		if err != nil {
			return err
		}
		key := k.key(secretName(base))
		at[dir].Items = append(at[dir].Items, podItem{key, base})
		k.Secrets = append(k.Secrets, secretKey{key, fmt.Sprintf("${%s:%s}, line %d", n.Kind, n.Name, n.Line), "--from-file=" + key + "=FILE"})
	}
	return k.mount(at)
}

// place finds the volume of a file, and makes one if need be.
func (k *manifests) place(n config.Need, where string, at map[string]*podVolume) (dir, base string, err error) {
	dir, base = path.Split(path.Clean(where))
	dir = path.Clean(dir)
	top, _, _ := strings.Cut(strings.TrimPrefix(dir, "/"), "/")
	switch {
	case dir == "/" || slices.Contains([]string{"proc", "sys", "dev", "tmp"}, top) || strings.ContainsAny(dir, ":\n"):
		return "", "", fmt.Errorf("line %d: nothing can be mounted at %q for %q; want a folder such as /run/secrets/solotick", n.Line, dir, n.Name)
	case dir == k8sDir && base == "solotick.yaml":
		return "", "", fmt.Errorf("line %d: %s is where the agents' own file is", n.Line, where)
	}
	if at[dir] == nil {
		at[dir] = &podVolume{Path: dir}
	}
	return dir, base, nil
}

// mount names the volumes. One cannot lie in another, which is read-only.
func (k *manifests) mount(at map[string]*podVolume) error {
	for _, v := range at {
		k.Volumes = append(k.Volumes, *v)
	}
	slices.SortFunc(k.Volumes, func(a, b podVolume) int { return cmp.Compare(a.Path, b.Path) })
	for i := range k.Volumes {
		v := &k.Volumes[i]
		for _, w := range k.Volumes {
			if strings.HasPrefix(v.Path, w.Path+"/") {
				return fmt.Errorf("the files of %s and those of %s cannot both be mounted, one folder in the other; put them into one, or beside each other", w.Path, v.Path)
			}
		}
		v.Name = fmt.Sprintf("files-%d", i)
		if v.File {
			v.Name = "config"
		}
	}
	return nil
}

// key is a key of the Secret that nothing else has.
func (k *manifests) key(name string) string {
	for {
		k.keys[name]++
		if k.keys[name] == 1 {
			return name
		}
		name = fmt.Sprintf("%s-%d", name, k.keys[name])
	}
}

// fill is how the Secret is filled without a value that stands in a file.
func (k *manifests) fill() {
	if len(k.Secrets) == 0 {
		return
	}
	in := k.in()
	k.Fill = []string{"kubectl create secret generic " + k.Name + in + ` --dry-run=client -o yaml \`}
	for _, s := range k.Secrets {
		k.Fill = append(k.Fill, "  "+s.fill+` \`)
	}
	k.Fill = append(k.Fill, "  | kubectl apply"+in+" -f -")
}

// in names the namespace to kubectl, if there is one.
func (k *manifests) in() string {
	if k.Namespace == "" {
		return ""
	}
	return " --namespace " + k.Namespace
}

func (k *manifests) steps() []string {
	var steps []string
	if k.Image == "registry.example.com/solotick:1" {
		steps = append(steps, "# Put an image into a registry of yours, and name it with --image.")
	}
	if len(k.Secrets) > 0 {
		steps = append(steps, "# Fill the Secret: the command stands above it.")
	}
	return append(steps, "kubectl apply -f FILE    # of what was printed", "kubectl rollout status deployment/"+k.Name+k.in())
}

func (k *manifests) print() (string, error) {
	t, err := template.New("kubernetes").Funcs(template.FuncMap{"yaml": yamlScalar, "plain": plain}).Parse(deploy.Kubernetes)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, k); err != nil {
		return "", err
	}
	return b.String(), nil
}
