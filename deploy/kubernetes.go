package deploy

import _ "embed"

// Kubernetes is a text/template of agents in Kubernetes, which solotick install k8s
// fills in. deploy/kubernetes/agents.yaml is what it makes of the example beside it.
//
//go:embed kubernetes/agents.yaml.tmpl
var Kubernetes string
