package dnsmsg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const secret = "//5zZWNyZXQgb2YgdGhpcnR5LXR3byBvY3RldHMhIQ=="

var want = Key{Name: "agent.example.", Algorithm: "hmac-sha512", Secret: secret}

func TestParseKey(t *testing.T) {
	for name, text := range map[string]string{
		"bind":           `key "agent.example" { algorithm hmac-sha512; secret "` + secret + `"; };`,
		"bind, bare":     "key Agent.Example. {\n\talgorithm HMAC-SHA512 ;\n\tsecret \"" + secret + "\" ;\n};\n",
		"bind, comments": "# a key\n// of ours\n/* of\nthree lines */ key \"agent.example\" {\n  secret \"" + secret + "\"; // here\n  algorithm hmac-sha512;\n};",
		"nsupdate":       "hmac-sha512:agent.example:" + secret + "\n",
		"KEY record":     "; made today\nagent.example. IN KEY 512 3 165 //5zZWNyZXQg b2YgdGhpcnR5LXR3byBvY3RldHMhIQ==\n",
	} {
		got, err := ParseKey(text)
		if err != nil || got != want {
			t.Errorf("%s: key %q %q, error %v", name, got.Name, got.Algorithm, err)
		}
	}
	if got, err := ParseKey("key a { algorithm hmac-sha256; secret YWJj; };"); err != nil || got.Secret != "YWJj" {
		t.Errorf("a bare secret: %q, error %v", string(got.Secret), err)
	}
	got, err := ParseKey("agent.example:" + secret)
	if err != nil || got.Algorithm != "hmac-sha256" {
		t.Errorf("without an algorithm: %q, error %v, want hmac-sha256", got.Algorithm, err)
	}
}

func TestParseKeyErrors(t *testing.T) {
	for text, part := range map[string]string{
		"":                                    "no TSIG key",
		"hello":                               "no TSIG key",
		"hmac-md5:agent:" + secret:            "hmac-md5",
		"hmac-sha256:agent:%%%secret":         "not base64",
		"hmac-sha256:agent:":                  "not base64",
		"hmac-sha256::" + secret:              "no name",
		`key "a" { algorithm hmac-sha256; };`: "needs an algorithm and a secret",
		`key "a" { algorithm hmac-sha256; secret "YQ=="; }; key "b" { algorithm hmac-sha256; secret "YQ=="; };`: "2 statements",
		`zone "a" { type primary; };`:       "0 statements",
		"agent. IN KEY 512 3 157 " + secret: "157",
	} {
		_, err := ParseKey(text)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: error %v, want one with %q", text, err, part)
		}
		if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "%%%secret")) {
			t.Errorf("%q: the error shows the secret: %v", text, err)
		}
	}
}

func TestReadKeyFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private := "Private-key-format: v1.3\nAlgorithm: 165 (HMAC_SHA512)\nKey: " + secret + "\nBits: AAA=\n"
	for _, path := range []string{
		write("agent.key", "hmac-sha512:agent.example:"+secret, 0o600),
		write("Kagent.example.+165+12345.private", private, 0o600),
		write("Kagent.example.+165+12345.key", "agent.example. IN KEY 512 3 165 "+secret+"\n", 0o600),
	} {
		got, warning, err := ReadKeyFile(path)
		if err != nil || got != want || warning != "" {
			t.Errorf("%s: key %q %q, warning %q, error %v", path, got.Name, got.Algorithm, warning, err)
		}
	}
	open := write("open.key", "hmac-sha512:agent.example:"+secret, 0o644)
	got, warning, err := ReadKeyFile(open)
	if err != nil || got != want || !strings.Contains(warning, "chmod 600 "+open) {
		t.Errorf("a file that others can read: warning %q, error %v", warning, err)
	}
	for _, path := range []string{
		filepath.Join(dir, "missing"), dir,
		write("renamed.private", private, 0o600),
		write("long", strings.Repeat("x", maxKeyFile+1), 0o600),
	} {
		if _, _, err := ReadKeyFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names the file", path, err)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", want, "secret", want.Secret)
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	shown := log.String() + string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown += fmt.Sprintf(verb+" "+verb+" "+verb+"\n", want, &want, want.Secret)
	}
	if strings.Contains(shown, secret) || strings.Contains(shown, fmt.Sprintf("%x", secret)) {
		t.Errorf("the secret is shown:\n%s", shown)
	}
	if !strings.Contains(shown, "***") {
		t.Errorf("nothing is shown in its place:\n%s", shown)
	}
}

func TestTextRdata(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, text := range []string{
		"", "x", `{"id":"VDNDNQNWQY","timer":1}`, `a\b;c"d`, string(every),
		strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("x", 510), strings.Repeat("x", 511), strings.Repeat("x", 60000),
	} {
		rdata, err := TextRdata(text)
		if err != nil {
			t.Fatal(err)
		}
		if n := (len(text) + 254) / 255; len(rdata) != len(text)+max(n, 1) {
			t.Errorf("text of %d octets: rdata of %d", len(text), len(rdata))
		}
		// Through the library's message and back, as a server's answer comes.
		m := &dns.Msg{Answer: []dns.RR{TXT("a.test.", dns.ClassINET, 1, rdata)}}
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var back dns.Msg
		if err := back.Unpack(wire); err != nil {
			t.Fatal(err)
		}
		got, err := Rdata(back.Answer[0])
		if err != nil || !bytes.Equal(got, rdata) {
			t.Errorf("text of %d octets: other rdata after a message, error %v", len(text), err)
		}
		if joined, err := Text(got); err != nil || joined != text {
			t.Errorf("text of %d octets: other text after a message, error %v", len(text), err)
		}
	}
	if _, err := TextRdata(strings.Repeat("x", 65536)); err == nil {
		t.Error("a text that no TXT record can hold is no error")
	}
	if _, err := Text([]byte{5, 'a'}); err == nil {
		t.Error("a string longer than its record is no error")
	}
}

func TestVerify(t *testing.T) {
	key, err := Key{Name: "Agent", Algorithm: "HMAC-SHA256", Secret: secret}.Normalize()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	query := new(dns.Msg).SetQuestion("a.test.", dns.TypeTXT)
	if _, _, err := Sign(query, key, at); err != nil {
		t.Fatal(err)
	}
	const requestMAC = "00112233"
	sign := func(k Key, change func(*dns.TSIG)) []byte {
		m := new(dns.Msg).SetRcode(query, query.Rcode)
		m.SetTsig(k.Name, k.Algorithm+".", Fudge, at.Unix())
		if change != nil {
			change(m.IsTsig())
		}
		wire, _, err := dns.TsigGenerate(m, string(k.Secret), requestMAC, false)
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	verify := func(wire []byte, mac string) (*dns.TSIG, error) {
		var m dns.Msg
		if err := m.Unpack(wire); err != nil {
			t.Fatal(err)
		}
		return Verify(wire, &m, key, mac)
	}

	tsig, err := verify(sign(key, nil), requestMAC)
	if err != nil || !ServerTime(tsig).Equal(at) {
		t.Errorf("a right reply: error %v, time %v, want %v", err, tsig, at)
	}
	other := key
	other.Name = "other."
	weak := key
	weak.Algorithm = "hmac-sha1"
	wrong := key
	wrong.Secret = "d3Jvbmc="
	for what, wire := range map[string][]byte{"other key": sign(other, nil), "other algorithm": sign(weak, nil), "wrong secret": sign(wrong, nil)} {
		if _, err := verify(wire, requestMAC); err == nil || errors.Is(err, ErrUnsigned) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	if _, err := verify(sign(key, nil), "ff"); err == nil {
		t.Error("a reply to another request verifies")
	}
	tampered := sign(key, nil)
	tampered[3] ^= 1 // the rcode
	if _, err := verify(tampered, requestMAC); err == nil {
		t.Error("a changed reply verifies")
	}
	unsigned, _ := new(dns.Msg).SetReply(query).Pack()
	if _, err := verify(unsigned, requestMAC); !errors.Is(err, ErrUnsigned) {
		t.Errorf("without TSIG: error %v, want ErrUnsigned", err)
	}
	if _, err := verify(append(sign(key, nil), 0, 0, 0), requestMAC); err == nil {
		t.Error("a reply with something behind it verifies")
	}
	badKey, err := verify(sign(key, func(r *dns.TSIG) { r.Error = dns.RcodeBadKey }), requestMAC)
	if !errors.Is(err, ErrUnsigned) || badKey.Error != dns.RcodeBadKey {
		t.Errorf("BADKEY: error %v, want ErrUnsigned and the record", err)
	}
	query.Rcode = dns.RcodeNotAuth // of every reply from here
	badTime, err := verify(sign(key, func(r *dns.TSIG) {
		r.Error, r.OtherLen, r.OtherData = dns.RcodeBadTime, 6, fmt.Sprintf("%012x", at.Unix()+400)
	}), requestMAC)
	if err != nil || !ServerTime(badTime).Equal(at.Add(400*time.Second)) {
		t.Errorf("BADTIME: error %v, record %v", err, badTime)
	}
}
