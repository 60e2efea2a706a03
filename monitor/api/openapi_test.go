package api

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/solotick/solotick/monitor"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the schemas in docs")

// described is the description, strict: nothing that it does not have may be in an
// answer, though others must expect more.
func described(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	no := false
	for _, s := range doc.Components.Schemas {
		if len(s.Value.Properties) > 0 {
			s.Value.AdditionalProperties.Has = &no
		}
	}
	return doc
}

// TestDescription lints it.
func TestDescription(t *testing.T) {
	doc := described(t)
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			what := method + " " + path
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" || strings.HasSuffix(op.Summary, ".") || len(op.Tags) != 1 {
				t.Errorf("%s: id %q, summary %q, tags %v", what, op.OperationID, op.Summary, op.Tags)
			}
			ids[op.OperationID] = true
			if doc.Tags.Get(op.Tags[0]) == nil {
				t.Errorf("%s: the tag %s is not explained", what, op.Tags[0])
			}
			for status, resp := range op.Responses.Map() {
				if resp.Value.Description == nil || *resp.Value.Description == "" {
					t.Errorf("%s: %s is not described", what, status)
				}
			}
		}
	}
	used := string(OpenAPI())
	for name, s := range doc.Components.Schemas {
		if !strings.Contains(used, `"#/components/schemas/`+name+`"`) {
			t.Errorf("nobody uses the schema %s", name)
		}
		for _, key := range s.Value.Required {
			if s.Value.Properties[key] == nil {
				t.Errorf("schema %s requires %s, which it has not", name, key)
			}
		}
	}
}

// TestPaths has every path of this program described, and every path that is
// described served.
func TestPaths(t *testing.T) {
	doc := described(t)
	var want []string
	for _, r := range serve(t, Config{Admin: &Admin{Token: testToken, Change: nobody}}).paths() {
		path := strings.Replace(r.path, "/badge/{file}", "/badge/{name}.svg", 1)
		if strings.HasPrefix(path, "/admin/") || strings.HasSuffix(path, "/") {
			continue // for people
		}
		for method := range r.do {
			want = append(want, method+" "+path)
		}
	}
	var got []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			got = append(got, method+" "+path)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-served +described):\n%s", diff)
	}
}

// TestAnswers asks for everything that is described, in every way in which it can be
// answered here, and compares each answer with the description.
func TestAnswers(t *testing.T) {
	doc := described(t)
	z := newZone(t)
	z.put("canary", ended(now(), agentA, "ok"))
	h := watched(t)
	code := 1
	if err := h.Tell("canary.example.com", monitor.Run{Tick: now().Unix() - 80, Attempt: 1, Agent: agentA, Result: "failed", Detail: &monitor.Detail{
		Began: now(), TookMS: 3, Code: &code, Error: "exit 1", Output: "no", Trace: "0af7651916cd43dd8448eb211c80319c",
		Steps: []monitor.Step{{ID: "check", Kind: "exec", Result: "failed", TookMS: 2, Note: "exit 1"}},
	}}); err != nil {
		t.Fatal(err)
	}
	full := serve(t, Config{
		History: h, Eyes: z.eyes(t), Observer: &monitor.Observer{}, Register: &monitor.Register{Provider: "rfc2136", Zone: "example.com", Class: "exact"},
		Admin: &Admin{Token: testToken, Change: nobody}, Receive: receive,
	})
	full.started = now().Add(-time.Hour) // and its observer has never begun
	bare := serve(t, Config{History: monitor.NewHistory(monitor.Limits{})})
	token := map[string]string{"Authorization": "Bearer " + testToken}
	seen := map[string]bool{}
	for _, test := range []struct {
		api       http.Handler
		path      string // of the description
		q         asking
		wantState int
	}{
		{full, "/api/v1/records", asking{path: "/api/v1/records"}, 200},
		{full, "/api/v1/records", asking{path: "/api/v1/records?limit=1&q=e"}, 200},
		{full, "/api/v1/records", asking{path: "/api/v1/records?state=x"}, 400},
		{bare, "/api/v1/records", asking{path: "/api/v1/records"}, 200},
		{full, "/api/v1/records/{name}", asking{path: "/api/v1/records/canary"}, 200},
		{full, "/api/v1/records/{name}", asking{path: "/api/v1/records/silent"}, 200},
		{full, "/api/v1/records/{name}", asking{path: "/api/v1/records/none"}, 404},
		{full, "/api/v1/records/{name}/runs", asking{path: "/api/v1/records/canary/runs"}, 200},
		{full, "/api/v1/records/{name}/runs", asking{path: "/api/v1/records/canary/runs?from=x"}, 400},
		{full, "/api/v1/records/{name}/runs", asking{path: "/api/v1/records/none/runs"}, 404},
		{full, "/api/v1/records/{name}/events", asking{path: "/api/v1/records/canary/events"}, 200},
		{full, "/api/v1/records/{name}/events", asking{path: "/api/v1/records/canary/events?limit=x"}, 400},
		{full, "/api/v1/records/{name}/events", asking{path: "/api/v1/records/none/events"}, 404},
		{full, "/api/v1/events", asking{path: "/api/v1/events"}, 200},
		{full, "/api/v1/events", asking{path: "/api/v1/events?before=x"}, 400},
		{full, "/api/v1/openapi.json", asking{path: "/api/v1/openapi.json"}, 200},
		{full, "/api/v1/records/{name}/pause", asking{"POST", "/api/v1/records/canary/pause", with(token, "Content-Type", "application/json"), `{"for":"2h"}`}, 200},
		{full, "/api/v1/records/{name}/pause", asking{"POST", "/api/v1/records/canary/pause", with(token, "Content-Type", "application/json"), `{"for":"2"}`}, 400},
		{full, "/api/v1/records/{name}/pause", asking{"POST", "/api/v1/records/canary/pause", nil, ""}, 401},
		{full, "/api/v1/records/{name}/pause", asking{"POST", "/api/v1/records/none/pause", token, ""}, 404},
		{bare, "/api/v1/records/{name}/pause", asking{"POST", "/api/v1/records/canary/pause", token, ""}, 405},
		{full, "/api/v1/records/{name}/resume", asking{"POST", "/api/v1/records/canary/resume", token, ""}, 200},
		{full, "/api/v1/records/{name}/trigger", asking{"POST", "/api/v1/records/canary/trigger", token, ""}, 200},
		{full, "/api/v1/records/{name}/trigger", asking{"POST", "/api/v1/records/nightly/trigger", token, ""}, 409},
		{full, "/api/v1/reports", asking{"POST", "/api/v1/reports", map[string]string{"Name": "canary.example.com"}, ""}, 204},
		{full, "/api/v1/reports", asking{"POST", "/api/v1/reports", map[string]string{"Name": "none"}, ""}, 404},
		{full, "/api/v1/reports", asking{"POST", "/api/v1/reports", nil, ""}, 401},
		{bare, "/api/v1/reports", asking{"POST", "/api/v1/reports", nil, ""}, 404},
		{full, "/status.json", asking{path: "/status.json"}, 200},
		{bare, "/status.json", asking{path: "/status.json"}, 200},
		{full, "/livez", asking{path: "/livez"}, 503},
		{bare, "/livez", asking{path: "/livez"}, 200},
		{full, "/readyz", asking{path: "/readyz"}, 503},
		{bare, "/readyz", asking{path: "/readyz"}, 200},
		{full, "/metrics", asking{path: "/metrics"}, 200},
		{full, "/probe", asking{path: "/probe?target=canary.example.com"}, 200},
		{full, "/probe", asking{path: "/probe?target=canary.example.com&debug=true"}, 200},
		{full, "/probe", asking{path: "/probe"}, 400},
		{full, "/probe", asking{path: "/probe?target=canary.example.com&resolver=192.0.2.1"}, 403},
		{full, "/badge/{name}.svg", asking{path: "/badge/canary.svg"}, 200},
		{full, "/badge/{name}.svg", asking{path: "/badge/none.svg"}, 404},
	} {
		if test.q.method == "" {
			test.q.method = http.MethodGet
		}
		seen[test.q.method+" "+test.path] = true
		op := doc.Paths.Value(test.path).GetOperation(test.q.method)
		resp := ask(t, test.api, test.q)
		status, text := read(t, resp)
		what := test.q.method + " " + test.q.path
		if status != test.wantState {
			t.Errorf("%s: %d, want %d: %s", what, status, test.wantState, text)
			continue
		}
		compare(t, what, op.Responses.Status(status), resp.Header.Get("Content-Type"), text)
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !seen[method+" "+path] {
				t.Errorf("%s %s was not asked for", method, path)
			}
		}
	}
}

// compare compares one answer with what is described.
func compare(t *testing.T, what string, ref *openapi3.ResponseRef, kind, text string) {
	t.Helper()
	if ref == nil {
		t.Errorf("%s: its status is not described", what)
		return
	}
	if len(ref.Value.Content) == 0 {
		if text != "" {
			t.Errorf("%s: nothing is described, and this comes: %s", what, text)
		}
		return
	}
	base, _, _ := strings.Cut(kind, ";")
	media := ref.Value.Content[base]
	if media == nil {
		t.Errorf("%s: %q is not described", what, kind)
		return
	}
	var value any = text
	if strings.HasSuffix(base, "json") {
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Errorf("%s: %v: %s", what, err, text)
			return
		}
	}
	if err := media.Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors()); err != nil {
		t.Errorf("%s: %v\n%s", what, err, text)
	}
}

func with(header map[string]string, name, value string) map[string]string {
	out := maps.Clone(header)
	out[name] = value
	return out
}

// published are the documents whose schemas are in docs.
var published = map[string]string{"status": "Status", "detail": "Record", "runs": "Runs", "events": "Events", "summary": "Summary", "action": "Change"}

// TestSchemas keeps the schemas in docs those of the description. To rewrite them:
// go test ./monitor/api -run TestSchemas -rewrite
func TestSchemas(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas map[string]map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(OpenAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	for name, component := range published {
		schema := maps.Clone(doc.Components.Schemas[component])
		schema["$schema"], schema["title"] = "https://json-schema.org/draft/2020-12/schema", "solotick."+name+"/v1"
		text, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		defs := map[string]any{}
		for grown := true; grown; {
			grown = false
			for def, s := range doc.Components.Schemas {
				if defs[def] == nil && bytes.Contains(text, []byte(`"#/components/schemas/`+def+`"`)) {
					defs[def], grown = s, true
				}
			}
			schema["$defs"] = defs
			if text, err = json.MarshalIndent(schema, "", "  "); err != nil {
				t.Fatal(err)
			}
		}
		text = append(bytes.ReplaceAll(text, []byte("#/components/schemas/"), []byte("#/$defs/")), '\n')
		path := filepath.Join("../../docs", "solotick-"+name+".schema.json")
		if *rewrite {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s is not what is described (%v): go test ./monitor/api -run TestSchemas -rewrite", path, err)
		}
	}
}

// TestDocuments has real answers be what the schemas in docs say.
func TestDocuments(t *testing.T) {
	a := serve(t, Config{Admin: &Admin{Token: testToken, Change: nobody}})
	for name, q := range map[string]asking{
		"status": {path: "/api/v1/records"}, "detail": {path: "/api/v1/records/canary"}, "runs": {path: "/api/v1/records/canary/runs"},
		"events": {path: "/api/v1/events"}, "summary": {path: "/status.json"},
		"action": {"POST", "/api/v1/records/canary/resume", map[string]string{"Authorization": "Bearer " + testToken}, ""},
	} {
		schema, err := jsonschema.NewCompiler().Compile("../../docs/solotick-" + name + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		_, text := read(t, ask(t, a, q))
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
