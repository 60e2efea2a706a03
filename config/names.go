package config

import (
	"os"

	"go.yaml.in/yaml/v4"
)

// Names returns the names of the jobs and of the notifiers of a file, in its order,
// as far as they can be told without anything else: no value is replaced, nothing is
// checked, and what jobs_from: names is not read. It is for who completes what
// somebody types, who may not read the secrets that the file takes.
func Names(path string) (jobs, notifiers []string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var top struct {
		Jobs   yaml.Node `yaml:"jobs"`
		Notify yaml.Node `yaml:"notify"`
	}
	if err := yaml.Unmarshal(text, &top); err != nil {
		return nil, nil, err
	}
	return namesIn(&top.Jobs), namesIn(&top.Notify), nil
}

func namesIn(n *yaml.Node) []string {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var names []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		if name := n.Content[i]; name.Kind == yaml.ScalarNode && name.Value != "<<" {
			names = append(names, name.Value)
		}
	}
	return names
}
