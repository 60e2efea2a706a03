package cloudtest

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A RecordSet is one of Route 53, with values in its spelling.
type RecordSet struct {
	Name   string // absolute, as Route 53 writes it
	Type   string
	TTL    int64
	Values []string
	// AliasOf and SetIdentifier are of sets that are no simple ones.
	AliasOf, SetIdentifier string
}

func (s RecordSet) key() string {
	return sortName(s.Name) + " " + s.Type + " " + s.SetIdentifier
}

func (s RecordSet) equal(t RecordSet) bool {
	return s.TTL == t.TTL && s.AliasOf == t.AliasOf &&
		slices.Equal(slices.Sorted(slices.Values(s.Values)), slices.Sorted(slices.Values(t.Values)))
}

type route53Zone struct {
	id, name     string
	private      bool
	sets, before map[string]RecordSet // by key, now and before the latest change
}

type zoneXML struct {
	ID        string `xml:"Id"`
	Name      string
	Reference string `xml:"CallerReference"`
	Private   bool   `xml:"Config>PrivateZone"`
	Count     int    `xml:"ResourceRecordSetCount"`
}

func (z *route53Zone) xml() zoneXML {
	return zoneXML{ID: "/hostedzone/" + z.id, Name: z.name, Reference: z.id, Private: z.private, Count: len(z.sets)}
}

// AddZone makes a public zone with its NS and SOA records, and returns its id.
func (f *Route53) AddZone(name string) string { return f.addZone(name, false) }

// AddPrivateZone makes a private one.
func (f *Route53) AddPrivateZone(name string) string { return f.addZone(name, true) }

func (f *Route53) addZone(name string, private bool) string {
	z := &route53Zone{id: "Z" + rand.Text()[:20], name: absolute(name), private: private, sets: make(map[string]RecordSet)}
	f.mu.Lock()
	f.zones[z.id] = z
	f.mu.Unlock()
	f.Put(z.id, RecordSet{Name: z.name, Type: "NS", TTL: 172800, Values: []string{"ns-1.awsdns-00.com."}})
	f.Put(z.id, RecordSet{Name: z.name, Type: "SOA", TTL: 900, Values: []string{"ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}})
	return z.id
}

// DeleteZone removes a zone and all in it.
func (f *Route53) DeleteZone(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.zones, id)
}

// Put writes a record set, as by the console.
func (f *Route53) Put(zone string, set RecordSet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set.Name = absolute(set.Name)
	f.zones[zone].sets[set.key()] = set
}

// Sets returns the record sets at a name.
func (f *Route53) Sets(zone, name string) []RecordSet {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []RecordSet
	for _, set := range f.zones[zone].sets {
		if set.Name == absolute(name) {
			all = append(all, set)
		}
	}
	return all
}

// Changes is how many change batches were applied so far.
func (f *Route53) Changes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changes
}

// zone finds a zone for which an action is allowed. The caller holds mu.
func (f *Route53) zone(id, action string) (*route53Zone, *apiError) {
	id = strings.TrimPrefix(id, "/hostedzone/")
	if e := f.may(action, zoneARN(id), nil); e != nil {
		return nil, e
	}
	z := f.zones[id]
	if z == nil {
		return nil, &apiError{http.StatusNotFound, "NoSuchHostedZone", "No hosted zone found with ID: " + id}
	}
	return z, nil
}

func zoneARN(id string) string { return "arn:aws:route53:::hostedzone/" + id }

type setXML struct {
	Name, Type    string
	SetIdentifier string     `xml:",omitempty"`
	TTL           *int64     `xml:",omitempty"`
	Values        []valueXML `xml:"ResourceRecords>ResourceRecord"`
	Alias         *aliasXML  `xml:"AliasTarget,omitempty"`
}

type valueXML struct{ Value string }

type aliasXML struct {
	Zone   string `xml:"HostedZoneId"`
	Name   string `xml:"DNSName"`
	Health bool   `xml:"EvaluateTargetHealth"`
}

func (s RecordSet) xml(zone string) setXML {
	x := setXML{Name: s.Name, Type: s.Type, SetIdentifier: s.SetIdentifier, TTL: &s.TTL}
	if s.AliasOf != "" {
		x.TTL, x.Alias = nil, &aliasXML{Zone: zone, Name: s.AliasOf}
	}
	for _, v := range s.Values {
		x.Values = append(x.Values, valueXML{v})
	}
	return x
}

// list is ListResourceRecordSets.
func (f *Route53) list(in map[string]string) (any, *apiError) {
	z, e := f.zone(in["HostedZoneId"], "route53:ListResourceRecordSets")
	if e != nil {
		return nil, e
	}
	if in["StartRecordType"] != "" && in["StartRecordName"] == "" {
		return nil, invalid("The type parameter requires the name parameter")
	}
	sets := z.sets
	if f.stale > 0 && z.before != nil {
		f.stale--
		sets = z.before
	}
	type response struct {
		XMLName xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListResourceRecordSetsResponse"`
		Sets    []setXML `xml:"ResourceRecordSets>ResourceRecordSet"`
		More    bool     `xml:"IsTruncated"`
		Name    string   `xml:"NextRecordName,omitempty"`
		Type    string   `xml:"NextRecordType,omitempty"`
		ID      string   `xml:"NextRecordIdentifier,omitempty"`
		Max     int      `xml:"MaxItems"`
	}
	out := response{Max: f.pageSize(in, 300)}
	from := ""
	if in["StartRecordName"] != "" {
		from = RecordSet{Name: absolute(in["StartRecordName"]), Type: in["StartRecordType"], SetIdentifier: in["StartRecordIdentifier"]}.key()
	}
	for _, key := range slices.Sorted(maps.Keys(sets)) {
		set := sets[key]
		if key < strings.TrimRight(from, " ") {
			continue
		}
		if len(out.Sets) == out.Max {
			out.More, out.Name, out.Type, out.ID = true, set.Name, set.Type, set.SetIdentifier
			break
		}
		out.Sets = append(out.Sets, set.xml(z.id))
	}
	return out, nil
}

type changeXML struct {
	Action string
	Set    struct {
		Name, Type, SetIdentifier string
		TTL                       int64
		Values                    []string `xml:"ResourceRecords>ResourceRecord>Value"`
	} `xml:"ResourceRecordSet"`
}

// change is ChangeResourceRecordSets.
func (f *Route53) change(in map[string]string, body []byte) (any, *apiError) {
	var request struct {
		Changes []changeXML `xml:"ChangeBatch>Changes>Change"`
	}
	if err := xml.Unmarshal(body, &request); err != nil {
		return nil, invalid("%v", err)
	}
	conditions := map[string][]string{}
	note := func(key, value string) {
		conditions["route53:ChangeResourceRecordSets"+key] = append(conditions["route53:ChangeResourceRecordSets"+key], value)
	}
	for _, c := range request.Changes {
		if len(c.Set.Values) == 0 {
			return nil, invalid("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none")
		}
		note("NormalizedRecordNames", strings.TrimSuffix(absolute(c.Set.Name), "."))
		note("RecordTypes", c.Set.Type)
		note("Actions", c.Action)
	}
	if e := f.may("route53:ChangeResourceRecordSets", zoneARN(in["HostedZoneId"]), conditions); e != nil {
		return nil, e
	}
	z, e := f.zone(in["HostedZoneId"], "")
	if e != nil {
		return nil, e
	}
	if f.busy > 0 {
		f.busy--
		return nil, &apiError{http.StatusBadRequest, "PriorRequestNotComplete", "The request was rejected because Route 53 was still processing a prior request."}
	}
	sets := maps.Clone(z.sets)
	wrong := limits(request.Changes)
	for _, c := range request.Changes {
		if message := z.apply(sets, c); message != "" {
			wrong = append(wrong, message)
		}
	}
	if len(wrong) > 0 {
		return nil, &apiError{http.StatusBadRequest, "InvalidChangeBatch", "[" + strings.Join(wrong, ", ") + "]"}
	}
	z.before, z.sets = z.sets, sets
	f.changes++
	type response struct {
		XMLName   xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ChangeResourceRecordSetsResponse"`
		ID        string   `xml:"ChangeInfo>Id"`
		Status    string   `xml:"ChangeInfo>Status"`
		Submitted string   `xml:"ChangeInfo>SubmittedAt"`
	}
	return response{ID: "/change/C" + rand.Text()[:20], Status: "PENDING", Submitted: time.Now().Add(f.offset).UTC().Format(time.RFC3339)}, nil
}

// limits are those of one batch; an UPSERT counts twice.
func limits(changes []changeXML) (wrong []string) {
	elements, chars := 0, 0
	for _, c := range changes {
		times := 1
		if c.Action == "UPSERT" {
			times = 2
		}
		elements += times * len(c.Set.Values)
		chars += times * len(strings.Join(c.Set.Values, ""))
	}
	if elements > 1000 {
		wrong = append(wrong, "Number of records limit of 1000 exceeded.")
	}
	if chars > 32_000 {
		wrong = append(wrong, "Number of characters limit of 32000 exceeded.")
	}
	return wrong
}

// quoted is a TXT value: character strings of at most 255 octets in quotes, in
// which a backslash is before three octal digits or one character.
var (
	quoted = regexp.MustCompile(`^"((?:[^"\\]|\\[0-7]{3}|\\[^0-9])*)"((?:\s+"(?:[^"\\]|\\[0-7]{3}|\\[^0-9])*")*)$`)
	single = regexp.MustCompile(`\\[0-7]{3}|\\?.`)
	inside = regexp.MustCompile(`"((?:[^"\\]|\\[0-7]{3}|\\[^0-9])*)"`)
)

// badValue is what is wrong with the value of a TXT record.
func badValue(value string) string {
	if !quoted.MatchString(value) {
		return fmt.Sprintf("Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with '%s''", value)
	}
	for _, part := range inside.FindAllStringSubmatch(value, -1) {
		if len(single.FindAllString(part[1], -1)) > 255 {
			return fmt.Sprintf("Invalid Resource Record: 'FATAL problem: CharacterStringTooLong (Value is too long) encountered with '%s''", value)
		}
	}
	return ""
}

// apply makes one change in sets, or says what is wrong with it.
func (z *route53Zone) apply(sets map[string]RecordSet, c changeXML) string {
	set := RecordSet{Name: absolute(c.Set.Name), Type: c.Set.Type, TTL: c.Set.TTL, Values: c.Set.Values, SetIdentifier: c.Set.SetIdentifier}
	old, there := sets[set.key()]
	what := fmt.Sprintf("resource record set [name='%s', type='%s']", set.Name, set.Type)
	if c.Action == "DELETE" {
		switch {
		case !there:
			return "Tried to delete " + what + " but it was not found"
		case !old.equal(set):
			return "Tried to delete " + what + " but the values provided do not match the current values"
		}
		delete(sets, set.key())
		return ""
	}
	if set.Name != z.name && !strings.HasSuffix(set.Name, "."+z.name) {
		return fmt.Sprintf("RRSet with DNS name %s is not permitted in zone %s", set.Name, z.name)
	}
	seen := make(map[string]bool)
	for _, value := range set.Values {
		if seen[value] {
			return fmt.Sprintf("Duplicate Resource Record: '%s'", value)
		}
		seen[value] = true
		if set.Type == "TXT" {
			if bad := badValue(value); bad != "" {
				return bad
			}
		}
	}
	for _, other := range sets {
		if other.Name == set.Name && (other.Type == "CNAME") != (set.Type == "CNAME") {
			return fmt.Sprintf("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type  %s with the same DNS name already exists in zone %s",
				set.Type, set.Name, other.Type, z.name)
		}
		if other.Name == set.Name && other.Type == set.Type && (other.SetIdentifier == "") != (set.SetIdentifier == "") {
			return fmt.Sprintf("RRSet with DNS name %s, type %s cannot be created as a non-weighted set exists with the same name and type.", set.Name, set.Type)
		}
	}
	if there && c.Action == "CREATE" {
		return "Tried to create " + what + " but it already exists"
	}
	sets[set.key()] = set
	return ""
}

// absolute is a name as Route 53 writes it.
func absolute(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= 'A' && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', strings.IndexByte(`-_.\`, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	return strings.TrimSuffix(b.String(), ".") + "."
}

var escape = regexp.MustCompile(`\\[0-7]{3}`)

// sortName is what a list is sorted by: the labels reversed, with the final dot.
func sortName(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return escape.ReplaceAllStringFunc(strings.Join(labels, ".")+".", func(s string) string {
		n, _ := strconv.ParseUint(s[1:], 8, 8)
		return string([]byte{byte(n)})
	})
}
