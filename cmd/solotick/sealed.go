package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/record"
)

// warnOfKeys tells of credentials and keys that others can read.
func warnOfKeys(log *slog.Logger, svc *service, c *config.Config) {
	if svc.warning != "" {
		log.Warn(svc.warning)
	}
	for _, text := range looseKeys(c) {
		log.Warn(text)
	}
}

// looseKeys tells which of a file's key files others can read. Whether a group may
// is for who runs the machine to know: secrets are mounted so.
func looseKeys(c *config.Config) (all []string) {
	if runtime.GOOS == "windows" {
		return nil // its bits tell nothing
	}
	for _, path := range c.KeyFiles {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o007 != 0 {
			all = append(all, fmt.Sprintf("key file %s can be read by other users (mode %04o): chmod 600 %[1]s", path, info.Mode().Perm()))
		}
	}
	return all
}

// protectionWords tells what guards a record.
func protectionWords(by record.Protection) string {
	var words []string
	if by.Sealed != "" {
		words = append(words, "sealed with the key "+by.Sealed)
	}
	switch {
	case by.Signer != "":
		words = append(words, "signed by the key "+by.Signer)
	case by.Signed:
		words = append(words, "signed, and no key here can tell by whom")
	}
	return strings.Join(words, ", ")
}
