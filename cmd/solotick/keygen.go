package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// tsigSizes are the secrets' lengths in bytes: those of the hash, as RFC 8945
// section 8 advises.
var tsigSizes = map[string]int{"hmac-sha256": 32, "hmac-sha384": 48, "hmac-sha512": 64}

// A tsigKey is a key to be made and where it may write.
type tsigKey struct {
	name      string // of the key
	algorithm string
	zone      string
	server    string
	records   []string // full names that it may write, without the final dot
	file      string
	kind      string // of server that the snippet is for
}

func (a *app) keygenCommand() *cobra.Command {
	return group("keygen", "Make keys, and tell what credentials must be allowed", a.keygenTSIGCommand(), a.keygenSealCommand(), a.keygenSignCommand(), a.keygenPolicyCommand())
}

func (a *app) keygenTSIGCommand() *cobra.Command {
	var k tsigKey
	c := &cobra.Command{
		Use:   "tsig RECORD...",
		Short: "Make a TSIG key and print what to tell BIND, Knot or PowerDNS about it",
		Long: `Make a TSIG key that may write the TXT records named and nothing else. The key goes
to a new file that only you can read, in the form that BIND, nsupdate, kdig and
Solotick read. The server's configuration is printed, without the secret.`,
		Example: "  solotick keygen tsig canary.example.com\n" +
			"  solotick keygen tsig --for bind --name ops --zone example.com -o ops.key a.example.com b.example.com",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &failure{
					code: exitUsage, err: errors.New("the name of a record is missing"),
					do: "solotick keygen tsig canary.example.com",
				}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			k.records = args
			if err := k.check(); err != nil {
				return err
			}
			if err := k.write(); err != nil {
				return err
			}
			fmt.Fprintf(a.stderr, "The key is in %s (mode 0600). The server and every agent need it, nobody else.\n\n", k.file)
			_, err := fmt.Fprint(a.stdout, k.snippet())
			return err
		},
	}
	c.Flags().StringVar(&k.name, "name", "solotick", "name of the key, the same on the server and the agents")
	c.Flags().StringVar(&k.algorithm, "algorithm", "hmac-sha256", "hmac-sha256, hmac-sha384 or hmac-sha512")
	c.Flags().StringVar(&k.zone, "zone", "", "the zone (default: the first record's name without its first label)")
	c.Flags().StringVar(&k.server, "server", "", "the primary server, for the snippet (default: ns1. and the zone)")
	c.Flags().StringVar(&k.kind, "for", "all", "the kind of server to print the configuration of: bind, knot, powerdns, solotick or all")
	c.Flags().StringVarP(&k.file, "output", "o", "", "the key's file, which must not exist (default: the key's name and .key)")
	return c
}

// check fills what was left out and refuses what would not fit into the
// snippets' syntaxes.
func (k *tsigKey) check() error {
	if tsigSizes[k.algorithm] == 0 {
		return usage("--algorithm %s: want hmac-sha256, hmac-sha384 or hmac-sha512", k.algorithm)
	}
	k.name = strings.TrimSuffix(strings.ToLower(k.name), ".")
	if err := checkName(k.name); err != nil {
		return usage("--name %q: %w", k.name, err)
	}
	for i, r := range k.records {
		r = strings.TrimSuffix(strings.ToLower(r), ".")
		if err := checkName(r); err != nil {
			return usage("record %q: %w", r, err)
		}
		k.records[i] = r
	}
	k.zone = strings.TrimSuffix(strings.ToLower(k.zone), ".")
	if k.zone == "" {
		_, k.zone, _ = strings.Cut(k.records[0], ".")
		if k.zone == "" {
			return usage("record %q: want the full name, such as %s.example.com", k.records[0], k.records[0])
		}
	}
	if err := checkName(k.zone); err != nil {
		return usage("--zone %q: %w", k.zone, err)
	}
	for _, r := range k.records {
		if r != k.zone && !strings.HasSuffix(r, "."+k.zone) {
			return usage("record %s is not in the zone %s: name the zone with --zone", r, k.zone)
		}
	}
	if k.server == "" {
		k.server = "ns1." + k.zone
	}
	switch k.kind {
	case "all", "bind", "knot", "powerdns", "solotick":
	default:
		return usage("--for %s: want bind, knot, powerdns, solotick or all", k.kind)
	}
	if strings.ContainsAny(k.server, " \t\r\n\"';#") {
		return usage("--server %q: want a name or an address", k.server)
	}
	if k.file == "" {
		k.file = k.name + ".key"
	}
	return nil
}

// checkName accepts names that need no quoting in any server's configuration.
func checkName(name string) error {
	if len(name) > 253 {
		return errors.New("longer than 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return errors.New("an empty label")
		case len(label) > 63:
			return errors.New("a label longer than 63 bytes")
		case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
			return errors.New("want letters, digits, - and _, and dots between them")
		}
	}
	return nil
}

// write makes the secret and puts it into a new file.
func (k *tsigKey) write() error {
	secret := make([]byte, tsigSizes[k.algorithm])
	rand.Read(secret) // never fails
	text := fmt.Sprintf("key %q {\n\talgorithm %s;\n\tsecret %q;\n};\n", k.name, k.algorithm, base64.StdEncoding.EncodeToString(secret))
	return newSecretFile(k.file, text, "an agent that still uses the old key would be locked out by a new one")
}

// newSecretFile writes a secret to a file that was not there, for its owner only;
// lost is what would come of replacing the one that is.
func newSecretFile(path, text, lost string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return &failure{
			code: exitFailed, err: fmt.Errorf("%s exists and is left as it is", path),
			do: "choose another file with -o; " + lost,
		}
	case err != nil:
		return &failure{code: exitFailed, err: fmt.Errorf("cannot make the key's file: %w", err)}
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(path)
		return &failure{code: exitFailed, err: fmt.Errorf("cannot write the key: %w", err)}
	}
	return nil
}

// snippet is the configuration of a server, with the least that an agent needs:
// TXT at these names. The secret stays in its file.
func (k *tsigKey) snippet() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if k.kind == "bind" || k.kind == "all" {
		k.bind(p)
	}
	if k.kind == "knot" || k.kind == "all" {
		k.knot(p)
	}
	if k.kind == "powerdns" || k.kind == "all" {
		k.powerDNS(p)
	}
	file := k.file
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	if k.kind == "solotick" || k.kind == "all" {
		p("# --- Solotick's own server, with a database in the folder zone-data")
		p("solotick zone serve --zone %s --key %s --data zone-data", k.zone, quoteShell(k.file+"="+strings.Join(k.records, ",")))
		p("")
	}
	p("# --- In solotick.yaml on every agent:")
	p("# dns:")
	p("#   provider: rfc2136")
	p("#   zone: %s", k.zone)
	p("#   server: %s", k.server)
	p("#   tsig: ${file:%s}", file)
	p("# --- To try it, on an agent: solotick doctor -c solotick.yaml")
	return b.String()
}

func (k *tsigKey) bind(p func(string, ...any)) {
	p("# --- BIND 9: copy the key to /etc/bind/%s (owner bind, mode 0600); in named.conf", filepath.Base(k.file))
	p("include \"/etc/bind/%s\";", filepath.Base(k.file))
	p("zone %q {", k.zone)
	p("\ttype primary;")
	p("\tfile \"/var/lib/bind/db.%s\";   // in a folder that named may write to", k.zone)
	p("\tupdate-policy {")
	for _, r := range k.records {
		p("\t\tgrant %s name %s. TXT;", k.name, r)
	}
	p("\t};")
	p("};")
	p("# then: named-checkconf && rndc reconfig")
	p("")
}

func (k *tsigKey) knot(p func(string, ...any)) {
	p("# --- Knot DNS: bring the key into Knot's form (owner knot, mode 0600) with")
	p("# printf 'key:\\n  - id: %s\\n    algorithm: %s\\n    secret: %%s\\n' \"%s\" > /etc/knot/%s.conf", k.name, k.algorithm, k.secret(), k.name)
	p("# and in knot.conf")
	p("include: /etc/knot/%s.conf", k.name)
	p("acl:")
	p("  - id: %s-query", k.name)
	p("    key: %s", k.name)
	p("    action: query")
	p("  - id: %s-update", k.name)
	p("    key: %s", k.name)
	p("    action: update")
	p("    update-type: [TXT]")
	p("    update-owner: name")
	p("    update-owner-match: equal")
	p("    update-owner-name: [%s]", strings.Join(k.relative(), ", "))
	p("zone:")
	p("  - domain: %s", k.zone)
	p("    acl: [%s-query, %s-update]", k.name, k.name)
	p("    journal-content: changes   # this and the next line: an acknowledged record survives a crash")
	p("    zonefile-load: whole")
	p("# then: knotc conf-check && knotc reload")
	p("")
}

func (k *tsigKey) powerDNS(p func(string, ...any)) {
	p("# --- PowerDNS, as one process; in pdns.conf")
	p("# dnsupdate=yes")
	p("# allow-dnsupdate-from=127.0.0.0/8   (and the agents' networks)")
	p("# cache-ttl=0")
	p("# query-cache-ttl=0")
	p("# negquery-cache-ttl=0")
	p("# zone-cache-refresh-interval=0")
	p("# lua-dnsupdate-policy-script=/etc/powerdns/%s.lua", k.name)
	p("# and in a shell")
	p("pdnsutil import-tsig-key %s %s \"%s\"", k.name, k.algorithm, k.secret())
	p("pdnsutil set-meta %s TSIG-ALLOW-DNSUPDATE %s", k.zone, k.name)
	p("cat > /etc/powerdns/%s.lua <<'END'   # without it the key may change the whole zone", k.name)
	p("local grants = {")
	for _, r := range k.records {
		p("  [%q] = %q,", r+".", k.name+".")
	}
	p("}")
	p("function updatepolicy(input)")
	p("  return input:getQType() == pdns.TXT and grants[input:getQName():toString():lower()] == input:getTsigName():toString():lower()")
	p("end")
	p("END")
	p("")
}

// secret is the shell's words for the secret in the key's file.
func (k *tsigKey) secret() string {
	return fmt.Sprintf(`$(awk -F'"' '/secret/ {print $2}' %s)`, quoteShell(k.file))
}

// relative is the records' names within the zone, as Knot wants them.
func (k *tsigKey) relative() []string {
	var names []string
	for _, r := range k.records {
		if r == k.zone {
			names = append(names, "@")
			continue
		}
		names = append(names, strings.TrimSuffix(r, "."+k.zone))
	}
	return names
}

// quoteShell quotes a word for sh where it has to be.
func quoteShell(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,@") == "" && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
