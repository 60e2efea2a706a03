package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/solotick/solotick/config"
)

// named finds the variables that a file takes something from.
var named = regexp.MustCompile(`\$\{env:([A-Za-z_][A-Za-z0-9_]*)`)

// everybodys are variables that a command may have to have, whatever a file takes
// from them.
var everybodys = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "LANG", "TERM", "TZ", "TMPDIR", "HOSTNAME"}

// withheldBy are the variables that commands do not inherit: those that a file takes
// by ${env:NAME}, or grants to a list from elsewhere, and those in which the agent's
// credential is. They are meant for the agent, and mostly secret; a command that needs
// one is given it by env:.
func withheldBy(path string, c *config.Config) []string {
	var all []string
	if c.From != nil {
		all = append(all, c.From.Allow.Env...)
	}
	if text, err := os.ReadFile(path); err == nil { // one that is gone was read a moment ago
		for _, m := range named.FindAllSubmatch(text, -1) {
			all = append(all, string(m[1]))
		}
		if bytes.Contains(text, []byte("${vcap:")) {
			all = append(all, "VCAP_SERVICES")
		}
	}
	all = append(all, credentialIn(os.Getenv, &c.DNS)...)
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(everybodys, name) })
}

// credentialIn are the variables in which a provider's own library finds the credential
// that the file does not have, and that are the secret themselves. Names of files and
// profiles are none, and what a machine, task or pod is given as its identity is for
// everybody there.
func credentialIn(env func(string) string, d *config.DNS) []string {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return env(name) != "" })
	}
	switch d.Provider {
	case "route53":
		id, secret := []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"}, []string{"AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"}
		if d.AccessKeyID == "" && d.Profile == "" && has(id...) && has(secret...) {
			return slices.Concat(id, secret, []string{"AWS_SESSION_TOKEN"})
		}
	case "azuredns":
		chosen := env("AZURE_TOKEN_CREDENTIALS")
		if d.ClientID != "" || !has("AZURE_TENANT_ID") || !has("AZURE_CLIENT_ID") ||
			chosen != "" && chosen != "prod" && !strings.EqualFold(chosen, "EnvironmentCredential") {
			return nil
		}
		switch {
		case has("AZURE_CLIENT_SECRET"):
			return []string{"AZURE_CLIENT_SECRET"}
		case has("AZURE_CLIENT_CERTIFICATE_PATH"):
			return []string{"AZURE_CLIENT_CERTIFICATE_PASSWORD"}
		case has("AZURE_USERNAME"):
			return []string{"AZURE_PASSWORD"}
		}
	}
	return nil
}
