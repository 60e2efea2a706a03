package config_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/internal/expression"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/notify"
	"github.com/solotick/solotick/schedule"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

const (
	key   = "hmac-sha256:agents:c2VjcmV0IHNlY3JldA=="
	token = "t0k3n-of-mine"
)

func environment(t *testing.T) {
	t.Helper()
	t.Setenv("CONFIG_TEST_KEY", key)
	t.Setenv("CONFIG_TEST_TOKEN", token)
	t.Setenv("CONFIG_TEST_URL", "https://hooks.example.com/"+token)
	t.Setenv("CONFIG_TEST_SHOUTRRR", "telegram://"+token+"@telegram?chats=1")
	t.Setenv("CONFIG_TEST_SEAL", "# a comment\n"+config.SealKey.Secret())
	t.Setenv("CONFIG_TEST_SEAL2", config.SealKey2.Secret())
	t.Setenv("CONFIG_TEST_SIGN", config.SignKey.Secret())
	t.Setenv("CONFIG_TEST_VERIFY", config.VerifyKey.String())
	t.Setenv("CONFIG_TEST_TYPO", config.SealKey.Secret()[:60]+"7777777777")
	t.Setenv("VCAP_SERVICES", `{"user-provided":[{"name":"db","credentials":{"password":"hunter2","ports":[53,true]}}]}`)
}

// TestGolden compares each file of testdata with what it gives: its mistakes or
// its values.
func TestGolden(t *testing.T) {
	environment(t)
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := config.Parse(filepath.Base(file), data)
			got := ""
			if err == nil {
				got = dump("", reflect.ValueOf(*c))
			} else {
				got = err.Error() + "\n"
			}
			for _, secret := range []string{key, token, "hunter2", "c2VjcmV0", "solotick-seal-a", "solotick-sign-a"} {
				if strings.Contains(got, secret) {
					t.Errorf("it shows %q", secret)
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// dump writes the exported fields of a value, one a line.
func dump(path string, v reflect.Value) string {
	if (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil() {
		return path + " = nil\n"
	}
	switch x := v.Interface().(type) {
	case config.Notifier:
		return fmt.Sprintf("%s = %s %s %T referenced %v\n", path, x.Name, x.Kind, x.Notifier, x.Referenced)
	case *expression.Program:
		return fmt.Sprintf("%s = %s\n", path, x)
	case expression.Text:
		if x.IsZero() {
			return ""
		}
		return fmt.Sprintf("%s = %s\n", path, x.Show(nil))
	case *expression.Text:
		return fmt.Sprintf("%s = %s\n", path, x.Show(nil))
	case *web.Client, notify.Notifier:
		return fmt.Sprintf("%s = %T\n", path, x)
	case time.Duration, config.Secret, schedule.Schedule:
		return fmt.Sprintf("%s = %v\n", path, x)
	case *time.Duration:
		if x == nil {
			return path + " = nil\n"
		}
		return fmt.Sprintf("%s = %v\n", path, *x)
	}
	var b strings.Builder
	switch v.Kind() {
	case reflect.Pointer:
		return dump(path, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "Hash" && (!v.Field(i).IsZero() || !strings.Contains(path, "Plan")) {
				b.WriteString(dump(strings.TrimPrefix(path+"."+f.Name, "."), v.Field(i)))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			b.WriteString(dump(fmt.Sprintf("%s[%d]", path, i), v.Index(i)))
		}
	default:
		return fmt.Sprintf("%s = %#v\n", path, v.Interface())
	}
	return b.String()
}

const minimal = `version: 1
dns: { provider: rfc2136, zone: example.com, server: %s }
jobs: { a: { every: 1m, exec: [x], env: { A: "%s" } } }
`

func TestServers(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"ns1.example.com", "ns1.example.com:53"},
		{"ns1.example.com.:5353", "ns1.example.com.:5353"},
		{"localhost", "localhost:53"},
		{"192.0.2.1", "192.0.2.1:53"},
		{"192.0.2.1:8053", "192.0.2.1:8053"},
		{"2001:db8::1", "[2001:db8::1]:53"},
		{`"[2001:db8::1]"`, "[2001:db8::1]:53"},
		{`"[2001:db8::1]:8053"`, "[2001:db8::1]:8053"},
		{"ns1:dns", ""},
		{"ns1:70000", ""},
		{"http://ns1", ""},
		{"-ns", ""},
		{`""`, ""},
	} {
		c, err := config.Parse("f", fmt.Appendf(nil, minimal, tt.in, ""))
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("%s: %s, want an error", tt.in, c.DNS.Server)
		case tt.want != "" && err != nil:
			t.Errorf("%s: %v", tt.in, err)
		case tt.want != "" && c.DNS.Server != tt.want:
			t.Errorf("%s: %s, want %s", tt.in, c.DNS.Server, tt.want)
		}
	}
}

func reveal(t *testing.T, text expression.Text) string {
	t.Helper()
	s, err := text.Render(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInterpolation(t *testing.T) {
	environment(t)
	t.Setenv("CONFIG_TEST_EMPTY", "")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("in a file\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(file))
	for _, tt := range []struct{ in, want string }{
		{"plain $HOME {x}", "plain $HOME {x}"},
		{"a ${env:CONFIG_TEST_TOKEN} z", "a " + token + " z"},
		{"${env:CONFIG_TEST_EMPTY}", ""},
		{"${env:CONFIG_TEST_EMPTY:-def}", "def"},
		{"${env:CONFIG_TEST_NONE:-}", ""},
		{"${env:CONFIG_TEST_NONE:-a:-b}", "a:-b"},
		{"${file:" + file + "}", "in a file\n"},
		{"${credential:secret}", "in a file\n"},
		{"${vcap:db.password}/${vcap:db.ports.0}/${vcap:db.ports.1}", "hunter2/53/true"},
		{"$${env:X} $$$${Y}", "${env:X} $$${Y}"},
	} {
		c, err := config.Parse("f", fmt.Appendf(nil, minimal, "ns1", tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
		} else if got := reveal(t, c.Jobs[0].Plan.Steps[0].Env[0].Text); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.in, got, tt.want)
		}
	}
	for _, name := range []string{"", "..", "../secret", "/etc/passwd", "none"} {
		if _, err := config.Parse("f", fmt.Appendf(nil, minimal, "ns1", "${credential:"+name+"}")); err == nil {
			t.Errorf("${credential:%s} is taken", name)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", ".")
	if _, err := config.Parse("f", fmt.Appendf(nil, minimal, "ns1", "${credential:secret}")); err == nil || !strings.Contains(err.Error(), "LoadCredential=secret:") {
		t.Errorf("without a folder: %v", err)
	}
	// A value is not interpolated again.
	t.Setenv("CONFIG_TEST_NESTED", "${env:CONFIG_TEST_TOKEN}")
	c, err := config.Parse("f", fmt.Appendf(nil, minimal, "ns1", "${env:CONFIG_TEST_NESTED}"))
	if err != nil {
		t.Fatal(err)
	}
	if got := reveal(t, c.Jobs[0].Plan.Steps[0].Env[0].Text); got != "${env:CONFIG_TEST_TOKEN}" {
		t.Errorf("nested: %q", got)
	}
}

func TestTSIG(t *testing.T) {
	environment(t)
	file := filepath.Join(t.TempDir(), "Kagents.+163+1.private")
	if err := os.WriteFile(file, []byte("Key: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ in, text, file string }{
		{"${env:CONFIG_TEST_KEY}", key, ""},
		{"name:${env:CONFIG_TEST_TOKEN}", "name:" + token, ""},
		{"${file:" + file + "}", "", file},
		{file, "", file},
		{"name:${file:" + file + "}", "name:Key: x", ""},
	} {
		text := strings.Replace(fmt.Sprintf(minimal, "ns1", ""), "server", "tsig: \""+tt.in+"\", server", 1)
		c, err := config.Parse("f", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if c.DNS.TSIG.Reveal() != tt.text || c.DNS.TSIGFile != tt.file {
			t.Errorf("%s: %q and %q, want %q and %q", tt.in, c.DNS.TSIG.Reveal(), c.DNS.TSIGFile, tt.text, tt.file)
		}
	}
}

// A reload asks whether anything has changed, also what the file only names.
func TestEqual(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	path := filepath.Join(t.TempDir(), "solotick.yaml")
	load := func(file, content string) *config.Config {
		t.Helper()
		for name, text := range map[string]string{secret: content, path: file} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	file := fmt.Sprintf(minimal, "ns1", "${file:"+secret+"}")
	first := load(file, "one")
	if again := load(file, "one"); !first.Equal(again) || first.Hash != again.Hash {
		t.Error("the same file with the same secret is another one")
	}
	if rotated := load(file, "two"); first.Equal(rotated) || first.Hash != rotated.Hash {
		t.Error("another secret: want another configuration with the same hash")
	}
	if edited := load(file+"# note\n", "one"); first.Equal(edited) || first.Hash == edited.Hash {
		t.Error("another text: want another hash")
	}
	byPath := strings.Replace(file, "server", "tsig: "+secret+", server", 1)
	if first = load(byPath, "one"); first.Equal(load(byPath, "two")) {
		t.Error("another key in the key file: want another configuration")
	}
	if _, err := config.Load(path + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestDiagnosticsAsJSON(t *testing.T) {
	_, err := config.Parse("f.yaml", []byte("version: 1\ndns: {}\njbos: {}\n"))
	var all config.Diagnostics
	if !errors.As(err, &all) {
		t.Fatalf("%T", err)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 {
		t.Fatalf("%d mistakes, want 4: %s", len(got), text)
	}
	want := map[string]any{
		"file": "f.yaml", "line": 3.0, "column": 1.0, "message": `unknown key "jbos"`, "source": "jbos: {}", "length": 4.0,
		"hint": `did you mean "jobs"? known here: version, dns, agent, seal, sign, notify, jobs_from, defaults, jobs`,
	}
	if diff := cmp.Diff(want, got[3]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSizes(t *testing.T) {
	big := make([]byte, 2<<20)
	for i := range big {
		big[i] = '#'
	}
	if _, err := config.Parse("f", big); err == nil || !strings.Contains(err.Error(), "1 MiB") {
		t.Errorf("2 MiB: %v", err)
	}
	var b strings.Builder
	b.WriteString("version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1 }\njobs:\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "  job-%d: { cron: \"*/5 * * * *\", time_zone: Europe/Berlin, exec: [x] }\n", i)
	}
	c, err := config.Parse("f", []byte(b.String()))
	if err != nil || len(c.Jobs) != 2000 {
		t.Errorf("2000 jobs: %v", err)
	}
}

// A secret stays one, however it is shown.
func TestSecret(t *testing.T) {
	s := config.NewSecret(token)
	type inside struct {
		Exported   config.Secret
		unexported config.Secret
		list       []config.Secret
	}
	nested := inside{s, s, []config.Secret{s}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", nested)
		fmt.Fprintf(&out, verb+"\n", map[string]any{"x": &nested})
	}
	fmt.Fprintln(&out, s, errors.New("x "+s.String()))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "secret", s, "nested", nested, "pointer", &nested)
	}
	for _, v := range []any{s, &s, nested} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
		if text, err = yaml.Marshal(v); err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	if strings.Contains(out.String(), token) || strings.Contains(out.String(), fmt.Sprintf("%x", token)) {
		t.Errorf("shown:\n%s", out.String())
	}
	if s.Reveal() != token || !s.Equal(config.NewSecret(token)) || s.Equal(config.Secret{}) || s.IsZero() || !(config.Secret{}).IsZero() {
		t.Error("the secret itself is wrong")
	}
}

// FuzzParse looks for a panic, and for mistakes without a place or a word.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("f", data)
		var all config.Diagnostics
		switch {
		case (c == nil) == (err == nil):
			t.Fatalf("both or neither: %v, %v", c, err)
		case err == nil:
			for _, j := range c.Jobs {
				if j.Name == "" || j.Record == "" || j.Plan == nil || len(j.Plan.Steps) == 0 || j.Schedule.Next(0) == 0 {
					t.Errorf("a job that cannot be run: %+v", j)
				}
			}
		case !errors.As(err, &all) || len(all) == 0 || all.Error() == "":
			t.Fatalf("%T", err)
		}
		for _, d := range all {
			if d.Message == "" || d.Line < 0 || d.Line > 0 && d.Column < 0 {
				t.Errorf("%+v", d)
			}
		}
	})
}

// The ways in which the agents of 2022 wrote are refused with what is wrong with them.
func TestModesOfTheOriginal(t *testing.T) {
	const file = "version: 1\ndns: { provider: cloudflare, zone: example.com, token: \"${env:MODES_TOKEN}\", mode: %s }\njobs:\n  canary: { every: 60s, exec: [true] }\n"
	t.Setenv("MODES_TOKEN", "secret")
	for _, mode := range []string{"patch", "put", "id", "entryid"} {
		_, err := config.Parse("f.yaml", fmt.Appendf(nil, file, mode))
		if err == nil || !strings.Contains(err.Error(), "two agents both run a tick") || !strings.Contains(err.Error(), "leave mode: out") {
			t.Errorf("%s: %v", mode, err)
		}
	}
	if _, err := config.Parse("f.yaml", fmt.Appendf(nil, file, "batch")); err != nil {
		t.Errorf("batch: %v", err)
	}
}
