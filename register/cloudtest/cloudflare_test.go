package cloudtest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	vendor "github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/google/go-cmp/cmp"
)

// jsonFields are the fields of a struct as JSON has them, with what each takes: a
// text, a number, a truth value, a list, an object.
func jsonFields(t reflect.Type) map[string]string {
	all := make(map[string]string)
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for name, kind := range jsonFields(f.Type) {
				all[name] = kind
			}
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		all[name] = jsonKind(f.Type)
	}
	return all
}

func jsonKind(t reflect.Type) string {
	if value, ok := reflect.Zero(t).Interface().(interface{ String() string }); ok && t.Kind() == reflect.Struct {
		// A field of the vendor's: a struct with the value in it.
		if v, ok := reflect.TypeOf(value).FieldByName("Value"); ok {
			return jsonKind(v.Type)
		}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return jsonKind(t.Elem())
	case reflect.String:
		return "a text"
	case reflect.Float64, reflect.Int64:
		return "a number"
	case reflect.Bool:
		return "a truth value"
	case reflect.Slice:
		if t == reflect.TypeFor[json.RawMessage]() {
			return "an object"
		}
		return "a list"
	}
	return "an object"
}

// TestCloudflareFields: what the server takes is what the vendor's library sends,
// field for field.
func TestCloudflareFields(t *testing.T) {
	for _, c := range []struct {
		name     string
		ours     reflect.Type
		vendor   []reflect.Type
		required []string
	}{
		{"batch", reflect.TypeFor[cloudflareBatch](), []reflect.Type{reflect.TypeFor[vendor.RecordBatchParams]()}, nil},
		{"delete", reflect.TypeFor[cloudflareDelete](), []reflect.Type{reflect.TypeFor[vendor.RecordBatchParamsDelete]()}, []string{"id"}},
		{"post", reflect.TypeFor[cloudflareFields](), []reflect.Type{reflect.TypeFor[vendor.TXTRecordParam](), reflect.TypeFor[vendor.CNAMERecordParam]()}, []string{"name", "ttl", "type"}},
		{"patch", reflect.TypeFor[cloudflareUpdate](), []reflect.Type{reflect.TypeFor[vendor.BatchPatchTXTRecordParam]()}, nil},
		{"put", reflect.TypeFor[cloudflareUpdate](), []reflect.Type{reflect.TypeFor[vendor.BatchPutTXTRecordParam]()}, nil},
	} {
		for _, v := range c.vendor {
			if diff := cmp.Diff(jsonFields(v), jsonFields(c.ours)); diff != "" {
				t.Errorf("%s (-%s +server):\n%s", c.name, v, diff)
			}
			for _, name := range c.required {
				if !slices.ContainsFunc(reflect.VisibleFields(v), func(f reflect.StructField) bool {
					return f.Tag.Get("json") == name && f.Tag.Get("api") == "required"
				}) {
					t.Errorf("%s: %s is not required by %s", c.name, name, v)
				}
			}
		}
	}
}

// TestCloudflareFilters: and the filters of lists.
func TestCloudflareFilters(t *testing.T) {
	params := reflect.TypeFor[vendor.RecordListParams]()
	names := make(map[string]bool)
	for i := range params.NumField() {
		f := params.Field(i)
		key := f.Tag.Get("query")
		if key == "" {
			continue
		}
		names[key] = true
		if v, ok := f.Type.FieldByName("Value"); ok && v.Type.Kind() == reflect.Struct {
			for j := range v.Type.NumField() {
				names[key+"."+v.Type.Field(j).Tag.Get("query")] = true
			}
		}
	}
	for _, key := range []string{
		"page", "per_page", "order", "match", "direction", "type", "name.exact", "name.contains", "name.startswith", "name.endswith",
		"content.exact", "content.contains", "content.startswith", "content.endswith",
	} {
		if !names[key] {
			t.Errorf("the vendor's library knows no filter %s", key)
		}
	}
}

// vendorClient is the vendor's library, with the server as its service. Its fields
// can only be set one by one: what sets them is in a package that imports every
// service.
func vendorClient(f *Cloudflare) *vendor.RecordService {
	return vendor.NewRecordService(option.WithBaseURL(f.Endpoint()+"/"), option.WithAPIToken(CloudflareToken), option.WithMaxRetries(0))
}

func txtParam(name, content string) vendor.TXTRecordParam {
	var p vendor.TXTRecordParam
	p.Name.Value, p.Name.Present = name, true
	p.Content.Value, p.Content.Present = content, true
	p.TTL.Value, p.TTL.Present = 60, true
	p.Type.Value, p.Type.Present = vendor.TXTRecordTypeTXT, true
	return p
}

// TestCloudflareByTheVendorsLibrary: it understands what the server answers.
func TestCloudflareByTheVendorsLibrary(t *testing.T) {
	f := NewCloudflare(t)
	zone := f.AddZone("t.test")
	client := vendorClient(f)
	old := f.Put(zone, "TXT", "a.t.test", `"old"`)

	var batch vendor.RecordBatchParams
	batch.ZoneID.Value, batch.ZoneID.Present = zone, true
	var gone vendor.RecordBatchParamsDelete
	gone.ID.Value, gone.ID.Present = old, true
	batch.Deletes.Value, batch.Deletes.Present = []vendor.RecordBatchParamsDelete{gone}, true
	batch.Posts.Value, batch.Posts.Present = []vendor.RecordBatchParamsPostUnion{txtParam("a.t.test", `"new"`), txtParam("b", `"below the zone"`)}, true
	done, err := client.Batch(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Deletes) != 1 || done.Deletes[0].ID != old || len(done.Posts) != 2 || done.Posts[0].Content != `"new"` || done.Posts[1].Name != "b.t.test" {
		t.Errorf("the answer is %+v", done)
	}
	if _, err = client.Batch(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "81044") {
		t.Errorf("a second time: error %v", err)
	}

	var list vendor.RecordListParams
	list.ZoneID.Value, list.ZoneID.Present = zone, true
	list.Name.Value.Endswith.Value, list.Name.Value.Endswith.Present, list.Name.Present = "a.t.test", true, true
	list.PerPage.Value, list.PerPage.Present = 5, true
	page, err := client.List(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Result) != 1 || page.Result[0].ID != done.Posts[0].ID || page.Result[0].TTL != 60 {
		t.Errorf("the list is %+v", page.Result)
	}

	var one vendor.RecordNewParams
	one.ZoneID.Value, one.ZoneID.Present = zone, true
	one.Body = txtParam("a.t.test", `"new"`)
	if _, err = client.New(t.Context(), one); err == nil || !strings.Contains(err.Error(), "81058") {
		t.Errorf("an identical record: error %v", err)
	}
	var edit vendor.RecordEditParams
	edit.ZoneID.Value, edit.ZoneID.Present = zone, true
	edit.Body = txtParam("a.t.test", `"edited"`)
	edited, err := client.Edit(t.Context(), done.Posts[0].ID, edit)
	if err != nil || edited.ID != done.Posts[0].ID || edited.Content != `"edited"` {
		t.Errorf("the edited record is %+v, error %v", edited, err)
	}
	var remove vendor.RecordDeleteParams
	remove.ZoneID.Value, remove.ZoneID.Present = zone, true
	if _, err = client.Delete(t.Context(), edited.ID, remove); err != nil {
		t.Error(err)
	}
	if _, err = client.Delete(t.Context(), edited.ID, remove); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a second time: error %v", err)
	}
}

// TestCloudflareBatchIsAllOrNothing: whichever action fails.
func TestCloudflareBatchIsAllOrNothing(t *testing.T) {
	f := NewCloudflare(t)
	zone := f.AddZone("t.test")
	id := f.Put(zone, "TXT", "a.t.test", `"old"`)
	f.Put(zone, "CNAME", "c.t.test", "a.t.test")
	before := f.Records(zone, "")
	for name, c := range map[string]struct {
		body string
		code string
	}{
		"a delete":         {`{"deletes":[{"id":"` + id + `"},{"id":"gone"}]}`, `"code":81044`},
		"a patch":          {`{"deletes":[{"id":"` + id + `"}],"patches":[{"id":"` + id + `","content":"\"x\""}]}`, `"code":81044`},
		"an identical one": {`{"posts":[{"name":"b","type":"TXT","ttl":60,"content":"\"1\""},{"name":"b","type":"TXT","ttl":60,"content":"\"1\""}]}`, `"code":81058`},
		"a second CNAME":   {`{"deletes":[{"id":"` + id + `"}],"posts":[{"name":"c","type":"CNAME","ttl":60,"content":"b.t.test"}]}`, `"code":81053`},
		"beside a CNAME":   {`{"posts":[{"name":"c","type":"TXT","ttl":60,"content":"\"1\""}]}`, `"code":81054`},
		"a TTL":            {`{"deletes":[{"id":"` + id + `"}],"posts":[{"name":"b","type":"TXT","ttl":59,"content":"\"1\""}]}`, `"code":9021`},
		"a quote":          {`{"deletes":[{"id":"` + id + `"}],"posts":[{"name":"b","type":"TXT","ttl":60,"content":"\"1"}]}`, `"code":9005`},
	} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, f.Endpoint()+"/zones/"+zone+"/dns_records/batch", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+CloudflareToken)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var said json.RawMessage
		err = errors.Join(json.NewDecoder(resp.Body).Decode(&said), resp.Body.Close())
		if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(said), c.code) {
			t.Errorf("%s: %d %s, error %v", name, resp.StatusCode, said, err)
		}
		if diff := cmp.Diff(before, f.Records(zone, "")); diff != "" {
			t.Errorf("%s: something was changed:\n%s", name, diff)
		}
	}
}

func TestCloudflareTXT(t *testing.T) {
	long := strings.Repeat("x", 300)
	for content, want := range map[string]string{
		`"text"`:                 `"text"`,
		`plain`:                  `plain`,
		`"a"  "b"`:               `"a" "b"`,
		`"` + long + `"`:         `"` + long[:255] + `" "` + long[255:] + `"`,
		`"\"\\\010"`:             `"\"\\\010"`,
		strings.Repeat(`"y"`, 2): `"y" "y"`,
		`"open`:                  "",
		`"a" b`:                  "",
		`"\`:                     "",
		"\"a\nb\"":               "",
		``:                       "",
	} {
		if got, ok := cloudflareTXT(content); ok != (want != "") || ok && got != want {
			t.Errorf("%s is kept as %s (%v), want %s", content, got, ok, want)
		}
	}
}
