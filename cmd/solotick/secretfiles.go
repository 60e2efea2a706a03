package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/solotick/solotick/config"
)

// secretFiles are the files from which a configuration takes what may be secret.
// Those of its keys are not among them: who reads these looks at their modes.
func secretFiles(path string) []string {
	settings, err := config.Inspect(path)
	if err != nil {
		return nil // who loads it tells why
	}
	var all []string
	for _, s := range settings {
		if section, _, _ := strings.Cut(s.Path, "."); s.Path == "dns.tsig" || section == "seal" || section == "sign" {
			continue
		}
		for origin := range strings.SplitSeq(s.From, ", ") {
			if file, ok := strings.CutPrefix(origin, "file "); ok && !slices.Contains(all, file) {
				all = append(all, file)
			}
		}
	}
	return all
}

// openFiles are warnings of those files that other users of this machine may read or
// change. It is no error: where a secret is mounted into a container, which has no
// other users, its mode is often not for the user to choose.
func openFiles(paths []string) []string {
	var all []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 == 0 || isPublic(path) {
			continue
		}
		all = append(all, fmt.Sprintf("the file %s, which holds a secret, can be read by other users (mode %04o): chmod 600 %[1]s", path, info.Mode().Perm()))
	}
	return all
}

// isPublic says whether a file holds certificates or public keys and nothing else:
// everybody may read those.
func isPublic(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 1<<20)) // a part tells as much
	for _, begin := range []string{"-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", "untrusted comment: minisign public key", "solotick-verify-"} {
		if bytes.Contains(text, []byte(begin)) {
			return !bytes.Contains(text, []byte("PRIVATE KEY")) && !bytes.Contains(text, []byte("solotick-sign-")) // which has its public half in a comment
		}
	}
	return false
}

func warnOfOpenFiles(log *slog.Logger, paths ...string) {
	for _, w := range openFiles(paths) {
		log.Warn(w)
	}
}

// named finds the variables that a file takes something from.
var named = regexp.MustCompile(`\$\{env:([A-Za-z_][A-Za-z0-9_]*)`)

// everybodys are variables that a command may have to have, whatever a file takes
// from them.
var everybodys = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "LANG", "TERM", "TZ", "TMPDIR", "HOSTNAME"}

// withheldBy are the variables that commands do not inherit: those that a file takes
// by ${env:NAME}, or grants to a list from elsewhere. They are meant for the agent,
// and mostly secret; a command that needs one is given it by env:.
func withheldBy(path string, c *config.Config) []string {
	var all []string
	if c.From != nil {
		all = append(all, c.From.Allow.Env...)
	}
	if text, err := os.ReadFile(path); err == nil { // one that is gone was read a moment ago
		for _, m := range named.FindAllSubmatch(text, -1) {
			all = append(all, string(m[1]))
		}
	}
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(everybodys, name) })
}
