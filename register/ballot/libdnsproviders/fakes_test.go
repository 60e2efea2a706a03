package libdnsproviders

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/internal/txt"
)

const (
	testZone = "example.com"
	token    = "secret-token"
	secret2  = "secret-of-the-application"
	secret3  = "secret-of-the-consumer"
)

// A zone is the zone of each fake: records with ids, which are in record sets by
// their name and type. The fakes are made from the vendors' documentation and what
// the modules expect; none was compared with the vendor's own.
type zone struct {
	mu      sync.Mutex
	records []entry
	next    int
	// drop counts down the requests that change something: the one that makes it 0 is
	// done, and its answer is lost.
	drop int
}

type entry struct {
	id              int
	name, typ, data string
	ttl             int
}

func newZone() *zone {
	return &zone{next: 3, records: []entry{
		{1, "www", "A", "192.0.2.1", 3600},
		{2, "other", "TXT", "of others", 3600},
	}}
}

// set returns the record set of a name and type.
func (z *zone) set(name, typ string) (set []entry) {
	for _, e := range z.records {
		if e.name == name && e.typ == typ {
			set = append(set, e)
		}
	}
	return set
}

func (z *zone) replace(name, typ string, ttl int, data ...string) {
	z.records = slices.DeleteFunc(z.records, func(e entry) bool { return e.name == name && e.typ == typ })
	for _, d := range data {
		z.add(name, typ, ttl, d)
	}
}

func (z *zone) add(name, typ string, ttl int, data string) entry {
	e := entry{z.next, name, typ, data, ttl}
	z.next++
	z.records = append(z.records, e)
	return e
}

// texts are the TXT values at a name.
func (z *zone) texts(name string) []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var texts []string
	for _, e := range z.set(name, "TXT") {
		texts = append(texts, e.data)
	}
	slices.Sort(texts)
	return texts
}

// others are all records but those of the register.
func (z *zone) others() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var all []string
	for _, e := range z.records {
		if !strings.HasSuffix(e.name, "canary") {
			all = append(all, fmt.Sprint(e.name, e.typ, e.data, e.ttl))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// keys are the names and types of the zone, in order.
func (z *zone) keys() [][2]string {
	var keys [][2]string
	for _, e := range z.records {
		keys = append(keys, [2]string{e.name, e.typ})
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return slices.Compact(keys)
}

// answers wraps a fake: one request at a time, and lost answers.
func (z *zone) answers(serve func(w http.ResponseWriter, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z.mu.Lock()
		defer z.mu.Unlock()
		serve(w, r)
		if r.Method != http.MethodGet && z.drop > 0 {
			if z.drop--; z.drop == 0 {
				panic(http.ErrAbortHandler)
			}
		}
	})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if v != nil {
		_ = json.NewEncoder(w).Encode(v)
	}
}

func decode[T any](w http.ResponseWriter, r *http.Request) (T, bool) {
	var v T
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
		return v, false
	}
	return v, true
}

type object = map[string]any

// presented is a value as in a zone file: it must be quoted strings of at most 255
// octets.
func presented(data string) (string, bool) {
	text, err := txt.Unquote(data, txt.Decimal)
	return text, err == nil && strings.HasPrefix(data, `"`) && data == txt.Quote(text, txt.Decimal)
}

// desecAPI: desec.readthedocs.io, dns/rrsets.
func (z *zone) desecAPI() http.Handler {
	mux := http.NewServeMux()
	show := func(name, typ string) object {
		set := z.set(name, typ)
		var data []string
		for _, e := range set {
			if e.typ == "TXT" {
				e.data = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(e.data) + `"`
			}
			data = append(data, e.data)
		}
		return object{"subname": strings.TrimPrefix(name, "@"), "type": typ, "records": data, "ttl": set[0].ttl}
	}
	mux.HandleFunc("GET /api/v1/domains/{zone}/rrsets/{$}", func(w http.ResponseWriter, r *http.Request) {
		all := []object{}
		for _, k := range z.keys() {
			all = append(all, show(k[0], k[1]))
		}
		reply(w, http.StatusOK, all)
	})
	mux.HandleFunc("GET /api/v1/domains/{zone}/rrsets/{name}/{type}", func(w http.ResponseWriter, r *http.Request) {
		if len(z.set(r.PathValue("name"), r.PathValue("type"))) == 0 {
			reply(w, http.StatusNotFound, object{"detail": "Not found."})
			return
		}
		reply(w, http.StatusOK, show(r.PathValue("name"), r.PathValue("type")))
	})
	mux.HandleFunc("PUT /api/v1/domains/{zone}/rrsets/{$}", func(w http.ResponseWriter, r *http.Request) {
		sets, ok := decode[[]struct {
			Subname, Type string
			Records       []string
			TTL           int
		}](w, r)
		if !ok {
			return
		}
		for _, s := range sets {
			var data []string
			for _, d := range s.Records {
				if len(d) < 2 || d[0] != '"' || d[len(d)-1] != '"' || s.TTL < 3600 {
					reply(w, http.StatusBadRequest, object{"records": "not valid"})
					return
				}
				data = append(data, strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(d[1:len(d)-1]))
			}
			z.replace(cmp.Or(s.Subname, "@"), s.Type, s.TTL, data...)
		}
		reply(w, http.StatusOK, sets)
	})
	return z.answers(guarded(mux, "Token "+token, "/api/v1/domains/"+testZone+"/", object{"detail": "Invalid token."}, object{"detail": "Not found."}))
}

// guarded checks the credential and the zone.
func guarded(mux http.Handler, auth, path string, invalid, unknown any) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != auth:
			reply(w, http.StatusUnauthorized, invalid)
		case !strings.HasPrefix(r.URL.Path+"/", path):
			reply(w, http.StatusNotFound, unknown)
		default:
			mux.ServeHTTP(w, r)
		}
	}
}

// digitaloceanAPI: docs.digitalocean.com, API reference, domain records.
func (z *zone) digitaloceanAPI() http.Handler {
	mux := http.NewServeMux()
	show := func(e entry) object {
		return object{"id": e.id, "type": e.typ, "name": e.name, "data": e.data, "ttl": e.ttl}
	}
	const path = "/v2/domains/{zone}/records"
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		page, size := max(1, number(r, "page")), cmp.Or(number(r, "per_page"), 20)
		records, pages := []object{}, object{}
		for i := (page - 1) * size; i < min(page*size, len(z.records)); i++ {
			records = append(records, show(z.records[i]))
		}
		link := func(page int) string {
			return fmt.Sprintf("https://api.digitalocean.com/v2/domains/%s/records?page=%d", testZone, page)
		}
		if page*size < len(z.records) {
			pages["next"], pages["last"] = link(page+1), link((len(z.records)+size-1)/size)
		}
		if page > 1 {
			pages["prev"], pages["first"] = link(page-1), link(1)
		}
		reply(w, http.StatusOK, object{"domain_records": records, "links": object{"pages": pages}, "meta": object{"total": len(z.records)}})
	})
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		e, ok := decode[struct {
			Type, Name, Data string
			TTL              int
		}](w, r)
		if !ok {
			return
		}
		if e.TTL < 30 || len(e.Data) > 512 || strings.HasSuffix(e.Name, testZone) {
			reply(w, http.StatusUnprocessableEntity, object{"id": "unprocessable_entity", "message": "not valid"})
			return
		}
		reply(w, http.StatusCreated, object{"domain_record": show(z.add(e.Name, e.Type, e.TTL, e.Data))})
	})
	mux.HandleFunc("DELETE "+path+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		z.delete(w, r.PathValue("id"), http.StatusNoContent, object{"id": "not_found", "message": "The resource you requested could not be found."})
	})
	return z.answers(guarded(mux, "Bearer "+token, "/v2/domains/"+testZone+"/",
		object{"id": "Unauthorized", "message": "Unable to authenticate you"}, object{"id": "not_found", "message": "The resource you were accessing could not be found."}))
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.URL.Query().Get(name))
	return n
}

func (z *zone) delete(w http.ResponseWriter, id string, status int, unknown any) {
	i := slices.IndexFunc(z.records, func(e entry) bool { return strconv.Itoa(e.id) == id })
	if i < 0 {
		reply(w, http.StatusNotFound, unknown)
		return
	}
	z.records = slices.Delete(z.records, i, i+1)
	reply(w, status, nil)
}

// gandiAPI: api.gandi.net/docs/livedns.
func (z *zone) gandiAPI() http.Handler {
	mux := http.NewServeMux()
	const path = "/v5/livedns/domains/{zone}"
	show := func(name, typ string) object {
		set := z.set(name, typ)
		var data []string
		for _, e := range set {
			if e.typ == "TXT" {
				e.data = txt.Quote(e.data, txt.Decimal)
			}
			data = append(data, e.data)
		}
		return object{"rrset_name": name, "rrset_type": typ, "rrset_ttl": set[0].ttl, "rrset_values": data}
	}
	unknown := object{"code": 404, "message": "Can't find the DNS record", "object": "dns-record", "cause": "Not Found"}
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, object{"fqdn": testZone, "domain_records_href": "https://api.gandi.net/v5/livedns/domains/" + testZone + "/records"})
	})
	mux.HandleFunc("GET "+path+"/records", func(w http.ResponseWriter, r *http.Request) {
		all := []object{}
		for _, k := range z.keys() {
			all = append(all, show(k[0], k[1]))
		}
		reply(w, http.StatusOK, all)
	})
	mux.HandleFunc("GET "+path+"/records/{name}/{type}", func(w http.ResponseWriter, r *http.Request) {
		if len(z.set(r.PathValue("name"), r.PathValue("type"))) == 0 {
			reply(w, http.StatusNotFound, unknown)
			return
		}
		reply(w, http.StatusOK, show(r.PathValue("name"), r.PathValue("type")))
	})
	mux.HandleFunc("PUT "+path+"/records/{name}/{type}", func(w http.ResponseWriter, r *http.Request) {
		set, ok := decode[struct {
			TTL    int      `json:"rrset_ttl"`
			Values []string `json:"rrset_values"`
		}](w, r)
		if !ok {
			return
		}
		var data []string
		for _, value := range set.Values {
			text, ok := presented(value)
			if !ok || set.TTL < 300 {
				reply(w, http.StatusBadRequest, object{"code": 400, "message": "not valid"})
				return
			}
			data = append(data, text)
		}
		z.replace(r.PathValue("name"), r.PathValue("type"), set.TTL, data...)
		reply(w, http.StatusCreated, object{"message": "DNS Record Created"})
	})
	mux.HandleFunc("DELETE "+path+"/records/{name}/{type}", func(w http.ResponseWriter, r *http.Request) {
		z.replace(r.PathValue("name"), r.PathValue("type"), 0)
		reply(w, http.StatusNoContent, nil)
	})
	return z.answers(guarded(mux, "Bearer "+token, "/v5/livedns/domains/"+testZone+"/",
		object{"code": 401, "message": "The server could not verify that you authorized to access the document you requested."}, unknown))
}

// hetznerAPI: docs.hetzner.cloud, zones and record sets.
func (z *zone) hetznerAPI() http.Handler {
	mux := http.NewServeMux()
	unknown := object{"error": object{"code": "not_found", "message": "zone not found"}}
	mux.HandleFunc("GET /v1/zones/{zone}", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, object{"zone": object{"id": 42, "name": testZone, "ttl": 3600, "mode": "primary", "created": time.Now()}})
	})
	mux.HandleFunc("GET /v1/zones/{zone}/rrsets", func(w http.ResponseWriter, r *http.Request) {
		keys := z.keys()
		page, size := max(1, number(r, "page")), cmp.Or(number(r, "per_page"), 25)
		sets := []object{}
		for i := (page - 1) * size; i < min(page*size, len(keys)); i++ {
			var records []object
			set := z.set(keys[i][0], keys[i][1])
			for _, e := range set {
				if e.typ == "TXT" {
					e.data = txt.Quote(e.data, txt.Decimal)
				}
				records = append(records, object{"value": e.data})
			}
			sets = append(sets, object{"id": keys[i][0] + "/" + keys[i][1], "name": keys[i][0], "type": keys[i][1], "ttl": set[0].ttl, "records": records, "zone": 42})
		}
		pagination := object{"page": page, "per_page": size, "total_entries": len(keys), "last_page": (len(keys) + size - 1) / size}
		if page*size < len(keys) {
			pagination["next_page"] = page + 1
		}
		reply(w, http.StatusOK, object{"rrsets": sets, "meta": object{"pagination": pagination}})
	})
	mux.HandleFunc("POST /v1/zones/{zone}/rrsets/{name}/{type}/actions/{what}", func(w http.ResponseWriter, r *http.Request) {
		body, ok := decode[struct {
			TTL     int
			Records []struct{ Value string }
		}](w, r)
		if !ok {
			return
		}
		name, typ := r.PathValue("name"), r.PathValue("type")
		for _, record := range body.Records {
			text, ok := presented(record.Value)
			switch {
			case !ok:
				reply(w, http.StatusUnprocessableEntity, object{"error": object{"code": "invalid_input", "message": "invalid record value"}})
				return
			case r.PathValue("what") == "add_records":
				z.add(name, typ, body.TTL, text)
			default:
				z.records = slices.DeleteFunc(z.records, func(e entry) bool { return e.name == name && e.typ == typ && e.data == text })
			}
		}
		reply(w, http.StatusCreated, object{"action": object{"id": z.next, "status": "success", "command": r.PathValue("what"), "progress": 100, "started": time.Now()}})
	})
	return z.answers(func(w http.ResponseWriter, r *http.Request) {
		if zone := strings.Split(r.URL.Path, "/")[3]; r.Header.Get("Authorization") == "Bearer "+token && zone != "42" && zone != testZone {
			reply(w, http.StatusNotFound, unknown)
			return
		}
		guarded(mux, "Bearer "+token, "/v1/zones/", object{"error": object{"code": "unauthorized", "message": "unable to authenticate"}}, unknown)(w, r)
	})
}

// ovhAPI: api.ovh.com/console, /domain/zone.
func (z *zone) ovhAPI() http.Handler {
	mux := http.NewServeMux()
	const path = "/v1/domain/zone/{zone}"
	show := func(e entry) object {
		return object{"id": e.id, "fieldType": e.typ, "subDomain": strings.TrimPrefix(e.name, "@"), "target": e.data, "ttl": e.ttl, "zone": testZone}
	}
	unknown, gone := object{"message": "This service does not exist"}, object{"message": "The requested object does not exist"}
	mux.HandleFunc("GET "+path+"/record", func(w http.ResponseWriter, r *http.Request) {
		ids, q := []int{}, r.URL.Query()
		for _, e := range z.records {
			if (!q.Has("fieldType") || q.Get("fieldType") == e.typ) && (!q.Has("subDomain") || q.Get("subDomain") == e.name) {
				ids = append(ids, e.id)
			}
		}
		reply(w, http.StatusOK, ids)
	})
	mux.HandleFunc("GET "+path+"/record/{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, e := range z.records {
			if strconv.Itoa(e.id) == r.PathValue("id") {
				reply(w, http.StatusOK, show(e))
				return
			}
		}
		reply(w, http.StatusNotFound, gone)
	})
	mux.HandleFunc("POST "+path+"/record", func(w http.ResponseWriter, r *http.Request) {
		e, ok := decode[struct {
			FieldType, SubDomain, Target string
			TTL                          int
		}](w, r)
		if !ok {
			return
		}
		reply(w, http.StatusOK, show(z.add(cmp.Or(e.SubDomain, "@"), e.FieldType, e.TTL, e.Target)))
	})
	mux.HandleFunc("DELETE "+path+"/record/{id}", func(w http.ResponseWriter, r *http.Request) {
		z.delete(w, r.PathValue("id"), http.StatusOK, gone)
	})
	mux.HandleFunc("POST "+path+"/refresh", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, nil) })
	return z.answers(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/1.0/", "/v1/", 1)
		switch h := r.Header; {
		case r.URL.Path == "/v1/auth/time":
			reply(w, http.StatusOK, time.Now().Unix())
		case h.Get("X-Ovh-Application") != "application" || h.Get("X-Ovh-Consumer") != secret3 || !strings.HasPrefix(h.Get("X-Ovh-Signature"), "$1$"):
			reply(w, http.StatusUnauthorized, object{"class": "Client::Unauthorized", "message": "This credential is not valid"})
		case !strings.HasPrefix(r.URL.Path, "/v1/domain/zone/"+testZone+"/"):
			reply(w, http.StatusNotFound, unknown)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}
