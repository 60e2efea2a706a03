package cloudtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// An iamPolicy is an IAM policy that allows, with the conditions of Route 53.
type iamPolicy struct {
	Version   string
	Statement []struct {
		Sid       string
		Effect    string
		Action    []string
		Resource  string
		Condition map[string]map[string][]string
	}
}

func parsePolicy(text string) (*iamPolicy, error) {
	p := &iamPolicy{}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return nil, err
	}
	if p.Version != "2012-10-17" {
		return nil, fmt.Errorf("version %q", p.Version)
	}
	for _, s := range p.Statement {
		for operator := range s.Condition {
			if operator != "ForAllValues:StringEquals" || s.Effect != "Allow" {
				return nil, fmt.Errorf("%s %s is not known here", s.Effect, operator)
			}
		}
	}
	return p, nil
}

// may says whether the policy allows an action, with the values of its condition
// keys. The caller holds mu.
func (f *Route53) may(action, resource string, values map[string][]string) *apiError {
	if f.policy == nil || action == "" {
		return nil
	}
	for _, s := range f.policy.Statement {
		prefix, any := strings.CutSuffix(s.Resource, "*")
		if !slices.Contains(s.Action, action) || s.Resource != resource && !(any && strings.HasPrefix(resource, prefix)) {
			continue
		}
		allowed := true
		for key, want := range s.Condition["ForAllValues:StringEquals"] {
			for _, value := range values[key] {
				allowed = allowed && slices.Contains(want, value)
			}
		}
		if allowed {
			return nil
		}
	}
	return &apiError{http.StatusForbidden, "AccessDenied", "User: arn:aws:iam::123456789012:user/solotick is not authorized to perform: " +
		action + " on resource: " + resource + " because no identity-based policy allows the " + action + " action"}
}
