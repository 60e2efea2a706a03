package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
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
