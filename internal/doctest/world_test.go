package doctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// webAddress answers for every name in the world but those of the zone.
const webAddress = "198.51.100.80"

// A world is what a page's commands talk to: a name server with the zone, which is
// also the resolver of everything else, and a web server that takes whatever it is
// sent.
type world struct {
	keys  []string // files of keys that the name server has
	named *exec.Cmd
}

func newWorld(s *scene) (*world, error) {
	w := &world{}
	if err := w.files(s); err != nil {
		return nil, err
	}
	if err := w.zones(s); err != nil {
		return nil, err
	}
	if err := w.web(); err != nil {
		return nil, err
	}
	if err := w.grant(); err != nil {
		return nil, err
	}
	if s.Database {
		if err := w.database(); err != nil {
			return nil, err
		}
	}
	return w, w.agent(s)
}

// agent starts the one that runs the jobs, if the page has any.
func (w *world) agent(s *scene) error {
	if s.Files[agentFile] == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(agentEvents), 0o755); err != nil {
		return err
	}
	out, err := os.Create("/run/agent/log")
	if err != nil {
		return err
	}
	defer out.Close()
	agent := exec.Command("/usr/local/bin/solotick", "run", "-c", agentFile)
	agent.Env, agent.Stdout, agent.Stderr = environment(), out, out
	if err := agent.Start(); err != nil { // it ends with the machine
		return err
	}
	if !until(firstWord, func() bool { _, err := os.Stat(agentEvents); return err == nil }) {
		text, _ := os.ReadFile("/run/agent/log")
		return fmt.Errorf("the agent does not begin:\n%s", text)
	}
	return nil
}

// The key that a page has from the start, at each place where it is looked for.
const firstKey = "key \"agents\" {\n\talgorithm hmac-sha256;\n\tsecret \"c29sb3RpY2sgc29sb3RpY2sgc29sb3RpY2sgLi4=\";\n};\n"

func (w *world) files(s *scene) error {
	program, err := os.ReadFile(os.Getenv("DOCTEST_PROGRAM"))
	if err != nil {
		return err
	}
	if err := write("/usr/local/bin/solotick", string(program), 0o755); err != nil {
		return err
	}
	os.Remove("/etc/resolv.conf") // it may be a link to elsewhere
	if err := write("/etc/resolv.conf", "nameserver 192.0.2.53\n", 0o644); err != nil {
		return err
	}
	return w.again(s)
}

// again puts all files where they were, and removes keys that were made.
func (w *world) again(s *scene) error {
	made, _ := filepath.Glob(filepath.Join(s.Top, "*.key"))
	for _, path := range made {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for path, text := range s.Files {
		mode := os.FileMode(0o600)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := write(path, text, mode); err != nil {
			return err
		}
	}
	for _, path := range s.Standins {
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := write(path, "#!/bin/sh\necho \"$0\" \"$@\"\n", 0o755); err != nil {
			return err
		}
	}
	return nil
}

const namedDir = "/var/lib/named"

// zones writes the zone of the pages, and one above it that has any other name lead to
// the web server.
func (w *world) zones(s *scene) error {
	zone := `$ORIGIN example.com.
$TTL 60
@ IN SOA ns1 hostmaster 1 3600 600 86400 5
@ IN NS ns1
ns1 IN A 192.0.2.53
jobs IN NS ns-jobs
ns-jobs IN A 192.0.2.1
`
	for _, host := range []string{"www", "api", "hooks", "config", "serve", "observer", "mail", "dns", "register", "collector"} {
		zone += host + " IN A " + webAddress + "\n"
	}
	for name, text := range s.Records {
		zone += name + ` IN TXT "` + strings.ReplaceAll(text, `"`, `\"`) + "\"\n"
	}
	zone += strings.Join(s.Values, "\n") + "\n"
	if err := write(namedDir+"/example.com", zone, 0o644); err != nil {
		return err
	}
	return write(namedDir+"/world", "$TTL 60\n. IN SOA ns. hostmaster. 1 3600 600 86400 5\n. IN NS ns.\nns. IN A 192.0.2.53\n*. IN A "+webAddress+"\n", 0o644)
}

var keyName = regexp.MustCompile(`key "([^"]+)"`)

// grant has the name server know the keys in the folder and at the usual place, and
// grants them what people grant: TXT in the zone. It is the hand that pages tell to
// paste what keygen prints.
func (w *world) grant() error {
	var keys, names []string
	for _, pattern := range []string{"*.key", "/etc/solotick/*.key"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if m := keyName.FindStringSubmatch(string(text)); m != nil && !slices.Contains(names, m[1]) {
				keys, names = append(keys, string(text)), append(names, m[1])
			}
		}
	}
	if w.named != nil && slices.Equal(keys, w.keys) {
		return nil
	}
	w.keys = keys
	conf := strings.Join(keys, "") + `options {
	directory "` + namedDir + `";
	listen-on port 53 { 127.0.0.1; 192.0.2.53; 1.1.1.1; 8.8.8.8; };
	listen-on-v6 { none; };
	pid-file none;
	lock-file none;
	session-keyfile "` + namedDir + `/session.key";
	dnssec-validation no;
	recursion yes;
	notify no;
};
controls { };
zone "." { type primary; file "world"; };
zone "example.com" { type primary; file "example.com"; update-policy {
`
	for _, name := range names {
		conf += "\tgrant " + name + " zonesub TXT;\n"
	}
	if len(names) == 0 {
		conf += "\tgrant nobody zonesub TXT;\n"
	}
	if err := write(namedDir+"/named.conf", conf+"}; };\n", 0o600); err != nil {
		return err
	}
	w.end()
	return w.start()
}

func (w *world) start() error {
	out, err := os.OpenFile(namedDir+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	w.named = exec.Command("/usr/sbin/named", "-g", "-c", namedDir+"/named.conf")
	w.named.Stdout, w.named.Stderr = out, out
	if err := w.named.Start(); err != nil {
		return err
	}
	if !until(firstWord, func() bool {
		return exec.Command("dig", "+time=1", "+tries=1", "+short", "SOA", "example.com", "@192.0.2.53").Run() == nil
	}) {
		text, _ := os.ReadFile(namedDir + "/log")
		return fmt.Errorf("named does not answer:\n%s", text)
	}
	return nil
}

// end ends the name server in an orderly way, so that it keeps its zones.
func (w *world) end() {
	if w.named != nil {
		w.named.Process.Signal(syscall.SIGTERM)
		w.named.Wait()
		w.named = nil
	}
}

// database starts a PostgreSQL in which root may do everything.
func (w *world) database() error {
	const script = `set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
install -d -o postgres /run/database /var/run/postgresql
cd /run/database
as() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
as $bin/initdb -A trust --no-sync -D data
as $bin/pg_ctl -D data -l log -w -o "-h '' -c fsync=off" start
as $bin/createuser -s root
as $bin/createdb root`
	cmd := exec.Command("sh", "-c", script)
	out, err := os.Create("/run/database.log")
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil { // it ends with the machine
		text, _ := os.ReadFile(out.Name())
		return fmt.Errorf("PostgreSQL does not start: %w\n%s", err, text)
	}
	return nil
}

// web starts the server of all other names, over both HTTP and HTTPS, by an authority
// that this machine trusts.
func (w *world) web() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the authority of a page"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, &key.PublicKey, key)
	if err != nil {
		return err
	}
	if err := write("/etc/ssl/certs/ca-certificates.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644); err != nil {
		return err
	}
	certificate := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: hello.ServerName}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
			DNSNames: []string{hello.ServerName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, key)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
	}
	plain, err := net.Listen("tcp", net.JoinHostPort(webAddress, "80"))
	if err != nil {
		return err
	}
	safe, err := net.Listen("tcp", net.JoinHostPort(webAddress, "443"))
	if err != nil {
		return err
	}
	// One server for both would speak HTTP/2 now and then.
	s := http.Server{Handler: http.HandlerFunc(answer), ReadHeaderTimeout: firstWord}
	t := http.Server{Handler: s.Handler, ReadHeaderTimeout: firstWord, TLSConfig: &tls.Config{GetCertificate: certificate}}
	go s.Serve(plain)
	go t.ServeTLS(safe, "", "")
	return nil
}

// answer has what lies at /srv/HOST/PATH, and else says to whatever is asked or sent
// that it is fine, in the words of Slack.
func answer(w http.ResponseWriter, r *http.Request) {
	text, err := os.ReadFile(filepath.Join("/srv", r.Host, filepath.Clean("/"+r.URL.Path)))
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		text = []byte(`{"ok":true,"ts":"1795413939.000100","channel":"C0123456789","items":[]}` + "\n")
	}
	w.Write(text)
}
