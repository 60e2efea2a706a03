package cloudtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The bodies of requests that write. A field that is not here is refused.
type (
	// cloudflareFields are those of a TXT record, and of what else has no data of its
	// own. What is required in one place is not in another.
	cloudflareFields struct {
		Name     *string          `json:"name"`
		TTL      *float64         `json:"ttl"`
		Type     *string          `json:"type"`
		Comment  *string          `json:"comment"`
		Content  *string          `json:"content"`
		Proxied  *bool            `json:"proxied"`
		Settings *json.RawMessage `json:"settings"`
		Tags     *[]string        `json:"tags"`
	}
	cloudflareDelete struct {
		ID string `json:"id"`
	}
	cloudflareUpdate struct {
		ID string `json:"id"`
		cloudflareFields
	}
	cloudflareBatch struct {
		Deletes []cloudflareDelete `json:"deletes"`
		Patches []cloudflareUpdate `json:"patches"`
		Puts    []cloudflareUpdate `json:"puts"`
		Posts   []cloudflareFields `json:"posts"`
	}
)

// cloudflareMost is how many actions a batch may have in a Free zone.
const cloudflareMost = 200

var cloudflareNoRecord = cloudflareError{status: http.StatusNotFound, Code: 81044, Message: "Record does not exist."}

func cloudflareIndex(records []CloudflareRecord, id string) int {
	return slices.IndexFunc(records, func(r CloudflareRecord) bool { return r.ID == id })
}

// decode reads a body strictly.
func (f *Cloudflare) decode(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err = d.Decode(into); err == nil && d.More() {
			err = fmt.Errorf("something follows the body")
		}
	}
	if err == nil && r.Header.Get("Content-Type") != "application/json" {
		err = fmt.Errorf("the body is no JSON by its Content-Type")
	}
	if err != nil {
		f.misuse(w, r.Method+" "+r.URL.Path+": "+err.Error())
	}
	return err == nil
}

// A cloudflareWork is a transaction: the records as they will be.
type cloudflareWork struct {
	fake    *Cloudflare
	zone    *cloudflareZone
	records []CloudflareRecord
	err     cloudflareError
}

func (f *Cloudflare) begin(z *cloudflareZone) *cloudflareWork {
	return &cloudflareWork{fake: f, zone: z, records: slices.Clone(z.records)}
}

// batch is one transaction: all of it, or nothing.
func (f *Cloudflare) batch(z *cloudflareZone, w http.ResponseWriter, r *http.Request) func() {
	var b cloudflareBatch
	if !f.decode(w, r, &b) {
		return nil
	}
	if n := len(b.Deletes) + len(b.Patches) + len(b.Puts) + len(b.Posts); n == 0 || n > cloudflareMost {
		f.misuse(w, fmt.Sprintf("a batch of %d actions", n))
		return nil
	}
	work := f.begin(z)
	deleted, patched, put, posted := []CloudflareRecord{}, []CloudflareRecord{}, []CloudflareRecord{}, []CloudflareRecord{}
	// each does the actions of one list, until one fails.
	each := func(list string, n int, do func(i int)) {
		for i := 0; i < n && work.err.Code == 0; i++ {
			if do(i); work.err.Code != 0 && f.pointers {
				work.err.Source = &struct {
					Pointer string `json:"pointer"`
				}{fmt.Sprintf("/%s/%d", list, i)}
			}
		}
	}
	each("deletes", len(b.Deletes), func(i int) {
		if have, ok := work.delete(b.Deletes[i].ID, f.gone); ok {
			deleted = append(deleted, have)
		}
	})
	each("patches", len(b.Patches), func(i int) {
		patched = append(patched, work.update(b.Patches[i].ID, b.Patches[i].cloudflareFields, false))
	})
	each("puts", len(b.Puts), func(i int) { put = append(put, work.update(b.Puts[i].ID, b.Puts[i].cloudflareFields, true)) })
	each("posts", len(b.Posts), func(i int) { posted = append(posted, work.post(b.Posts[i])) })
	if work.err.Code != 0 {
		work.err.status = http.StatusBadRequest
		f.fail(w, work.err)
		return nil
	}
	z.become(work.records)
	f.answer(w, map[string]any{"deletes": deleted, "patches": patched, "puts": put, "posts": posted}, nil)
	return nil
}

// single is a call for one record.
func (f *Cloudflare) single(z *cloudflareZone, w http.ResponseWriter, r *http.Request) func() {
	work := f.begin(z)
	id := r.PathValue("id")
	var fields cloudflareFields
	var result any
	switch {
	case r.Method == http.MethodDelete:
		work.delete(id, false)
		result = map[string]string{"id": id}
	case !f.decode(w, r, &fields):
		return nil
	case r.Method == http.MethodPost:
		result = work.post(fields)
	default:
		result = work.update(id, fields, r.Method == http.MethodPut)
	}
	if work.err.Code != 0 {
		f.fail(w, work.err)
		return nil
	}
	z.become(work.records)
	f.answer(w, result, nil)
	return nil
}

func (w *cloudflareWork) delete(id string, gone bool) (CloudflareRecord, bool) {
	i := cloudflareIndex(w.records, id)
	if i < 0 {
		if !gone {
			w.err = cloudflareNoRecord
		}
		return CloudflareRecord{}, false
	}
	have := w.records[i]
	w.records = slices.Delete(w.records, i, i+1)
	return have, true
}

// update changes a record that keeps its id; whole: what is not said becomes as in a
// new one.
func (w *cloudflareWork) update(id string, fields cloudflareFields, whole bool) CloudflareRecord {
	i := cloudflareIndex(w.records, id)
	if i < 0 {
		w.err = cloudflareNoRecord
		return CloudflareRecord{}
	}
	was := w.records[i]
	w.records = slices.Delete(w.records, i, i+1)
	next := was
	if whole {
		next = CloudflareRecord{ID: was.ID, TTL: 1, Tags: []string{}, CreatedOn: was.CreatedOn}
	}
	next = w.made(next, fields)
	w.records = slices.Insert(w.records, i, next)
	return next
}

func (w *cloudflareWork) post(fields cloudflareFields) CloudflareRecord {
	if fields.Name == nil || fields.TTL == nil || fields.Type == nil {
		w.invalid(9000, "name, ttl and type are required")
		return CloudflareRecord{}
	}
	made := w.made(CloudflareRecord{ID: cloudflareID(), Tags: []string{}, CreatedOn: time.Now().UTC()}, fields)
	w.records = append(w.records, made)
	if len(w.records) > w.fake.quota && w.err.Code == 0 {
		w.err = cloudflareError{status: http.StatusBadRequest, Code: 81045, Message: "Record quota exceeded."}
	}
	return made
}

func (w *cloudflareWork) invalid(code int, message string) {
	w.err = cloudflareError{
		status: http.StatusBadRequest, Code: 1004, Message: "DNS Validation Error",
		Chain: []cloudflareError{{Code: code, Message: message}},
	}
}

// made is a record with fields, checked against those that are there.
func (w *cloudflareWork) made(r CloudflareRecord, fields cloudflareFields) CloudflareRecord {
	r.ModifiedOn = time.Now().UTC()
	if fields.Name != nil {
		r.Name = strings.ToLower(*fields.Name)
		if r.Name != w.zone.name && !strings.HasSuffix(r.Name, "."+w.zone.name) {
			r.Name += "." + w.zone.name // a name is one in the zone
		}
	}
	if fields.Type != nil {
		r.Type = *fields.Type
	}
	if fields.Content != nil {
		r.Content = *fields.Content
	}
	if fields.TTL != nil {
		r.TTL = int(*fields.TTL)
	}
	if fields.Comment != nil {
		r.Comment = *fields.Comment
	}
	if fields.Proxied != nil {
		r.Proxied = *fields.Proxied
	}
	if fields.Tags != nil {
		r.Tags = *fields.Tags
	}
	switch {
	case r.TTL != 1 && (r.TTL < w.fake.minTTL || r.TTL > 86400):
		w.invalid(9021, fmt.Sprintf("TTL must be between %d and 86400 seconds, or 1 for Automatic.", w.fake.minTTL))
	case r.Type != "TXT" && r.Type != "CNAME" && r.Type != "A":
		w.invalid(9004, "DNS record type "+r.Type+" is invalid.")
	case r.Type == "TXT":
		content, ok := cloudflareTXT(r.Content)
		if !ok {
			w.invalid(9005, "Content for TXT record is invalid.")
			return r
		}
		r.Content = content
	}
	if w.err.Code == 0 {
		w.clash(r)
	}
	return r
}

// clash finds the record beside which another cannot be.
func (w *cloudflareWork) clash(r CloudflareRecord) {
	total := len(r.Content)
	for _, have := range w.records {
		if have.Name != r.Name {
			continue
		}
		host := r.Type == "CNAME" && (have.Type == "A" || have.Type == "CNAME" && !w.fake.aliases)
		switch {
		case have.Type == r.Type && have.Content == r.Content && !w.fake.identical:
			w.err = cloudflareError{status: http.StatusBadRequest, Code: 81058, Message: "An identical record already exists."}
			return
		case host:
			w.err = cloudflareError{status: http.StatusBadRequest, Code: 81053, Message: "An A, AAAA, or CNAME record with that host already exists."}
			return
		case have.Type == "CNAME" && r.Type != "CNAME":
			w.err = cloudflareError{status: http.StatusBadRequest, Code: 81054, Message: "A CNAME record with that host already exists."}
			return
		case have.Type == r.Type:
			total += len(have.Content)
		}
	}
	if total > 8192 {
		w.invalid(9207, "The combined content of records with the same name and type must not exceed 8192 characters.")
	}
}

// cloudflareTXT is the content of a TXT record as it is kept: strings in quotes, those
// that are longer than 255 octets split; without a quote at its beginning as it is.
// It is false for what is neither.
func cloudflareTXT(content string) (string, bool) {
	if !strings.HasPrefix(content, `"`) {
		return content, content != "" && !strings.ContainsAny(content, "\r\n")
	}
	var kept strings.Builder
	for rest := content; rest != ""; rest = strings.TrimLeft(rest, " ") {
		if rest[0] != '"' {
			return "", false
		}
		rest = rest[1:]
		if kept.Len() > 0 {
			kept.WriteByte(' ')
		}
		kept.WriteByte('"')
		for octets := 0; ; octets++ {
			n := 1 // how long the next octet is written
			switch {
			case rest == "":
				return "", false
			case rest[0] == '\\' && len(rest) > 3 && isDigits(rest[1:4]):
				n = 4
			case rest[0] == '\\':
				n = 2
			}
			if len(rest) < n || rest[0] < ' ' || rest[0] > '~' {
				return "", false
			}
			if rest[0] == '"' {
				break
			}
			if octets == 255 {
				octets = 0
				kept.WriteString(`" "`)
			}
			kept.WriteString(rest[:n])
			rest = rest[n:]
		}
		kept.WriteByte('"')
		rest = rest[1:]
	}
	return kept.String(), true
}

func isDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
