// Package dnsmsg is what register/rfc2136 and lookup both do with DNS messages:
// TSIG keys and their files, signing and verifying, and TXT records as octets.
//
// It sends nothing. The TSIG of a server is package zone's own.
package dnsmsg

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/miekg/dns"
)

// A Secret is the secret of a TSIG key, in base64. However it is printed or
// logged, it shows ***.
type Secret string

// Format prints ***, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "***") }

// LogValue is *** in a log.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText is *** in JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// A Key is a TSIG key (RFC 8945).
type Key struct {
	Name      string // a domain name; case and the final dot do not matter
	Algorithm string // hmac-sha256, hmac-sha384 or hmac-sha512
	Secret    Secret
}

// algorithms are those that RFC 8945 section 6 wants, by the number that the
// files of dnssec-keygen have for them.
var algorithms = map[string]string{"163": "hmac-sha256", "164": "hmac-sha384", "165": "hmac-sha512"}

// Normalize returns the key in one form: the name absolute and in lower case,
// the algorithm as in the fields' comments. The error says what is wrong with a
// key that cannot be used, and shows no secret.
func (k Key) Normalize() (Key, error) {
	name := dns.CanonicalName(strings.TrimSpace(k.Name))
	if _, ok := dns.IsDomainName(name); !ok || name == "." {
		return Key{}, fmt.Errorf("%q is no name for a TSIG key", k.Name)
	}
	algorithm := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(k.Algorithm)), ".")
	if algorithm != "hmac-sha256" && algorithm != "hmac-sha384" && algorithm != "hmac-sha512" {
		return Key{}, fmt.Errorf("key %s: algorithm %q is not hmac-sha256, hmac-sha384 or hmac-sha512: make a new key", name, k.Algorithm)
	}
	secret := strings.Join(strings.Fields(string(k.Secret)), "")
	if raw, err := base64.StdEncoding.DecodeString(secret); err != nil || len(raw) == 0 {
		return Key{}, fmt.Errorf("key %s: the secret is not base64", name)
	}
	return Key{Name: name, Algorithm: algorithm, Secret: Secret(secret)}, nil
}

// maxKeyFile is far above any key file; a device or a wrong path is not read on.
const maxKeyFile = 64 << 10

// ReadKeyFile reads a key from a file in one of the forms of [ParseKey], or from
// a pair of files of dnssec-keygen: K*.private or K*.key. The warning is a
// sentence for the user if others can read the file, and else empty.
func ReadKeyFile(path string) (key Key, warning string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return Key{}, "", fmt.Errorf("key file: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("more than %d bytes", maxKeyFile)
	}
	if err != nil {
		return Key{}, "", fmt.Errorf("key file %s: %w", path, err)
	}
	if info, err := file.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		warning = fmt.Sprintf("key file %s can be read by other users (mode %04o): chmod 600 %[1]s", path, info.Mode().Perm())
	}
	if strings.Contains(string(text), "Private-key-format:") {
		key, err = parsePrivate(filepath.Base(path), string(text))
	} else {
		key, err = ParseKey(string(text))
	}
	if err != nil {
		return Key{}, "", fmt.Errorf("key file %s: %w", path, err)
	}
	return key, warning, nil
}

// ParseKey reads a key in the form of BIND (key "name" { algorithm a; secret
// "s"; };), of nsupdate -y ([algorithm:]name:secret, by default hmac-sha256) or
// of a KEY record as dnssec-keygen writes it.
func ParseKey(text string) (Key, error) {
	if strings.Contains(text, "{") {
		return parseBIND(namedComment.ReplaceAllString(text, " "))
	}
	text = strings.TrimSpace(zoneComment.ReplaceAllString(text, ""))
	switch {
	case keyRecord.MatchString(text):
		m := keyRecord.FindStringSubmatch(text)
		return Key{Name: m[1], Algorithm: algorithmOf(m[2]), Secret: Secret(m[3])}.Normalize()
	}
	parts := strings.Split(text, ":")
	switch {
	case len(parts) == 2:
		return Key{Name: parts[0], Algorithm: "hmac-sha256", Secret: Secret(parts[1])}.Normalize()
	case len(parts) == 3:
		return Key{Name: parts[1], Algorithm: parts[0], Secret: Secret(parts[2])}.Normalize()
	}
	return Key{}, errors.New(`no TSIG key: want key "name" { algorithm hmac-sha256; secret "..."; }; or hmac-sha256:name:secret`)
}

var (
	namedComment  = regexp.MustCompile(`(?m)(^|\s)(#|//).*$|/\*(?s:.*?)\*/`)
	zoneComment   = regexp.MustCompile(`(?m)^\s*;.*$`)
	bindKey       = regexp.MustCompile(`(?s)\bkey\s+("[^"]*"|[^\s{]+)\s*\{(.*?)\}`)
	bindAlgorithm = regexp.MustCompile(`\balgorithm\s+"?([^\s";]+)"?\s*;`)
	bindSecret    = regexp.MustCompile(`\bsecret\s+"?([^";]+)"?\s*;`)
	keyRecord     = regexp.MustCompile(`^(\S+)(?:\s+\d+)?\s+IN\s+(?:DNS)?KEY\s+\d+\s+\d+\s+(\d+)\s+([A-Za-z0-9+/=\s]+)$`)
	privateName   = regexp.MustCompile(`^K(.+)\.\+\d{3}\+\d{5}\.private$`)
	privateField  = regexp.MustCompile(`(?m)^(Algorithm|Key):\s*(\S+)`)
)

func parseBIND(text string) (Key, error) {
	all := bindKey.FindAllStringSubmatch(text, -1)
	if len(all) != 1 {
		return Key{}, fmt.Errorf(`%d statements key "name" { ... }; where there has to be one`, len(all))
	}
	name, body := strings.Trim(all[0][1], `"`), all[0][2]
	algorithm, secret := bindAlgorithm.FindStringSubmatch(body), bindSecret.FindStringSubmatch(body)
	if algorithm == nil || secret == nil {
		return Key{}, fmt.Errorf("key %q needs an algorithm and a secret, each with a semicolon", name)
	}
	return Key{Name: name, Algorithm: algorithm[1], Secret: Secret(secret[1])}.Normalize()
}

// parsePrivate reads the K*.private file of dnssec-keygen; the key's name is
// only in the name of the file.
func parsePrivate(fileName, text string) (Key, error) {
	name := privateName.FindStringSubmatch(fileName)
	if name == nil {
		return Key{}, errors.New("the name of the key is in the name of such a file, which has to be K<key>.+<algorithm>+<id>.private")
	}
	fields := make(map[string]string)
	for _, m := range privateField.FindAllStringSubmatch(text, -1) {
		fields[m[1]] = m[2]
	}
	return Key{Name: name[1], Algorithm: algorithmOf(fields["Algorithm"]), Secret: Secret(fields["Key"])}.Normalize()
}

func algorithmOf(number string) string {
	if name, ok := algorithms[number]; ok {
		return name
	}
	return number
}
