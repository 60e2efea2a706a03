package config

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

// lenient are the mistakes that the schema lets pass, with the reason. They are
// the decoder's messages, with the path before them.
var lenient = []struct{ message, why string }{
	{`\.(if|expect): |unknown name|unknown field|there is no expression|unexpected token|\{\{ without \}\}`, "expressions are compiled, and no pattern describes a language"},
	{`under notify:|the alerts ".*" could not be told apart|a second step`, "a name is defined in another place"},
	{`has no schedule|has nothing to do`, "defaults: may have it"},
	{`belongs to (every|cron):`, "defaults: may have what it belongs to"},
	{`with shell: true want one text|want a list of arguments, got one text`, "defaults: or the job may have shell:"},
	{`is too (long|short)$|takes at least|is not a whole number of seconds|is not less than every|is less than|the whole job may take|has to end skew`, "the size of a duration is no pattern"},
	{`is not a duration`, "a duration of more than 290 years is written as others are"},
	{`is not a whole number|: cannot be "[-+]?[0-9]+"|only 1 is known`, "a number in quotes has no bounds, and 1e3 is 1000 to JSON"},
	{`want true or false, got "(True|TRUE|False|FALSE)"`, "YAML knows more words for true than the file does"},
	{`cannot be the id of a step|cannot begin an agent's id|is no DNS name|is longer than 253|want at most 64 letters`, "a number or a bool is a text too where it needs no quotes, and has no pattern"},
	{`is not in the zone|is the zone itself|is already the record of|its record`, "a record belongs to a zone, and to one job"},
	{`at-most-once`, "what a guarantee excludes are values of several keys"},
	{`has no meaning with`, "a key that another one's value makes useless"},
	{`has no port|is no address to listen on|is neither a host nor an address|is neither an address nor a prefix|has bits set behind`, "addresses are parsed"},
	{`is no URL|want a URL|want https://|not a URL|http:// can be read|is not for|source: |mail address|host: want|no certificate in PEM|has no certificate|has no key|tls: |line feed|there is no service|is not sent by URL|header`, "what a URL, a certificate or a mail address has to be beyond its beginning"},
	{`to is missing|the (token|key) is empty|host: want|followup and dedupe need a token|slack: channel`, "an empty list or text where one is needed"},
	{`: cron "|: time zone "`, "schedules and time zones are parsed"},
	{`the value of |\$\{\.\.\.\} in a state`, "what comes from elsewhere is not known to a schema"},
	{`is not set|is not an absolute path|no such file|is a directory|permission denied|no service|VCAP_SERVICES|can be replaced`, "what comes from elsewhere has to be there"},
	{`(keys|verify) are the same|there is no key$|sign\.verify`, "two values of a list, and a checksum"},
	{`merge keys`, "a key named << is one like any other to JSON, within json: and form:"},
	{`its alerts may need`, "the record's size is for all alerts of a job together"},
	{`leave the tag out|tagged`, "tags are YAML's"},
}

func surroundings(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"KEY": "hmac-sha256:agents:c2VjcmV0IHNlY3JldA==", "TOKEN": "t0k3n", "URL": "https://hooks.example.com/t0k3n", "SHOUTRRR": "telegram://t0k3n@telegram?chats=1",
	} {
		t.Setenv("CONFIG_TEST_"+name, value)
	}
	cert, key := Certificate(t)
	t.Setenv("CONFIG_TEST_CERT", cert)
	t.Setenv("CONFIG_TEST_CERTKEY", key)
	t.Setenv("CONFIG_TEST_SEAL", SealKey.Secret())
	t.Setenv("CONFIG_TEST_SIGN", SignKey.Secret())
	t.Setenv("CONFIG_TEST_VERIFY", VerifyKey.String())
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verdicts are what the decoder and the schema say of a file.
func verdicts(t *rapid.T, s *jsonschema.Schema, file *yaml.Node) (text []byte, decoder Diagnostics, schema error) {
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Plain(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	_, err = Parse("f", text)
	if err != nil && !errors.As(err, &decoder) {
		t.Fatalf("%T", err)
	}
	return text, decoder, s.Validate(v)
}

// TestSchemaTakesWhatIsRight draws right files.
func TestSchemaTakesWhatIsRight(t *testing.T) {
	surroundings(t)
	s := compileSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		g := &gen{T: t}
		text, decoder, schema := verdicts(t, s, g.file())
		if decoder != nil {
			t.Fatalf("the decoder refuses what should be right: %v\n%s", decoder, text)
		}
		if schema != nil {
			t.Fatalf("the schema refuses what is right: %v\n%s", schema, text)
		}
	})
}

// TestSchemaRefusesWhatIsWrong makes one mistake of form in a right file: both
// have to find it.
func TestSchemaRefusesWhatIsWrong(t *testing.T) {
	surroundings(t)
	s := compileSchema(t)
	made := make(map[string]int)
	rapid.Check(t, func(t *rapid.T) {
		g := &gen{T: t}
		file := g.file()
		what := g.spoil()
		made[what]++
		text, decoder, schema := verdicts(t, s, file)
		if decoder == nil || schema == nil {
			t.Fatalf("%s\nthe decoder says: %v\nthe schema says: %v\n%s", what, decoder, schema, text)
		}
	})
	if len(made) < 8 {
		t.Errorf("only these mistakes were made: %v", made)
	}
}

// TestSchemaAgrees puts any value in any place of a right file. The schema may let
// pass what is in the list above, and nothing else; and it takes what is right.
func TestSchemaAgrees(t *testing.T) {
	surroundings(t)
	s := compileSchema(t)
	var pass []*regexp.Regexp
	for _, l := range lenient {
		pass = append(pass, regexp.MustCompile(l.message))
	}
	rapid.Check(t, func(t *rapid.T) {
		g := &gen{T: t}
		file := g.file()
		what := g.change()
		text, decoder, schema := verdicts(t, s, file)
		if decoder == nil && schema != nil {
			t.Fatalf("%s\nthe schema refuses what is right: %v\n%s", what, schema, text)
		}
		for _, d := range decoder {
			if schema == nil && !slices.ContainsFunc(pass, func(r *regexp.Regexp) bool { return r.MatchString(d.Path + ": " + d.Message) }) {
				t.Fatalf("%s\nthe schema takes what the decoder refuses: %v\n%s", what, decoder, text)
			}
		}
	})
}
