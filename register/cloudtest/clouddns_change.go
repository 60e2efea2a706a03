package cloudtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limits of a Change.
const (
	cloudMaxSets    = 1000
	cloudMaxBytes   = 100_000
	cloudMaxRecords = 100
)

// A cloudChange is a Change as it was sent.
type cloudChange struct {
	Additions, Deletions []cloudSet
}

// A cloudFault is why a Change is not applied.
type cloudFault struct {
	status   int
	reason   string
	messages []string
}

func (f *CloudDNS) createChange(w http.ResponseWriter, c *discoCall, z *cloudZone) {
	var change cloudChange
	_ = json.Unmarshal(c.body, &change) // the check has parsed it
	if fault := change.fault(z); fault != nil {
		if f.terse {
			fault.messages = []string{"The change cannot be applied."}
		}
		googleError(w, fault.status, fault.reason, fault.messages...)
		return
	}
	next := maps.Clone(z.sets)
	for _, set := range change.Deletions {
		delete(next, set.key())
	}
	for _, set := range change.Additions {
		next[set.key()] = set
	}
	z.become(next)
	f.changes = append(f.changes, len(change.Additions)+len(change.Deletions))
	shown := func(sets []cloudSet) []cloudSet {
		all := []cloudSet{}
		for _, set := range sets {
			all = append(all, set.shown())
		}
		return all
	}
	f.answer(w, c, map[string]any{
		"kind": "dns#change", "id": strconv.Itoa(len(f.changes)), "status": "pending",
		"startTime": time.Now().UTC().Format(time.RFC3339Nano),
		"additions": shown(change.Additions), "deletions": shown(change.Deletions),
	})
}

// fault is why a Change cannot be applied to a zone; nil: it can. Values get the
// form in which they are stored.
func (c *cloudChange) fault(z *cloudZone) *cloudFault {
	if len(c.Additions)+len(c.Deletions) == 0 {
		return &cloudFault{http.StatusBadRequest, "required", []string{"The 'entity.change' parameter is required but was missing."}}
	}
	for _, check := range []func(*cloudZone) *cloudFault{c.tooLarge, c.invalid, c.absent, c.mismatched, c.doubled, c.besideAlias} {
		if fault := check(z); fault != nil {
			return fault
		}
	}
	return nil
}

func (c *cloudChange) tooLarge(*cloudZone) *cloudFault {
	fault := &cloudFault{status: http.StatusForbidden, reason: "quotaExceeded"}
	exceeds := func(what string) {
		fault.messages = append(fault.messages, "The change would exceed quota for "+what+".")
	}
	size, records := 0, 0
	for _, sets := range [][]cloudSet{c.Additions, c.Deletions} {
		for _, set := range sets {
			records = max(records, len(set.Rrdatas))
			for _, data := range set.Rrdatas {
				size += len(data)
			}
		}
	}
	if len(c.Additions) > cloudMaxSets {
		exceeds("additions per change")
	}
	if len(c.Deletions) > cloudMaxSets {
		exceeds("deletions per change")
	}
	if size > cloudMaxBytes {
		exceeds("total rrdata size per change")
	}
	if records > cloudMaxRecords {
		exceeds("resource records per rrset")
	}
	if len(fault.messages) == 0 {
		return nil
	}
	return fault
}

// invalid is the fault of sets that are none, whatever the zone holds.
func (c *cloudChange) invalid(z *cloudZone) *cloudFault {
	fault := &cloudFault{status: http.StatusBadRequest, reason: "invalid"}
	wrong := func(where, what string) {
		fault.messages = append(fault.messages, fmt.Sprintf("Invalid value for '%s': '%s'", where, what))
	}
	for list, sets := range map[string][]cloudSet{"additions": c.Additions, "deletions": c.Deletions} {
		seen := map[string]bool{}
		for i, set := range sets {
			where := fmt.Sprintf("entity.change.%s[%d]", list, i)
			if set.Name != z.DNSName && !strings.HasSuffix(set.Name, "."+z.DNSName) || strings.ToLower(set.Name) != set.Name || seen[set.key()] {
				wrong(where+".name", set.Name)
			}
			seen[set.key()] = true
			if set.Type != "TXT" {
				wrong(where+".type", set.Type)
			}
			if len(set.Rrdatas) == 0 {
				wrong(where+".rrdata", "<empty>")
			}
			values := map[string]bool{}
			for j, data := range set.Rrdatas {
				stored, ok := cloudTXT(data)
				if !ok || values[stored] {
					wrong(fmt.Sprintf("%s.rrdata[%d]", where, j), data)
				}
				values[stored] = true
				if list == "additions" {
					set.Rrdatas[j] = stored
				}
			}
		}
	}
	if len(fault.messages) == 0 {
		return nil
	}
	return fault
}

func (c *cloudChange) absent(z *cloudZone) *cloudFault {
	fault := &cloudFault{status: http.StatusNotFound, reason: "notFound"}
	for i, set := range c.Deletions {
		if _, there := z.sets[set.key()]; !there {
			fault.messages = append(fault.messages, fmt.Sprintf("The 'entity.change.deletions[%d]' resource named '%s' does not exist.", i, set.label()))
		}
	}
	if len(fault.messages) == 0 {
		return nil
	}
	return fault
}

func (c *cloudChange) mismatched(z *cloudZone) *cloudFault {
	fault := &cloudFault{status: http.StatusPreconditionFailed, reason: "conditionNotMet"}
	for i, set := range c.Deletions {
		if !z.sets[set.key()].matches(set) {
			fault.messages = append(fault.messages, fmt.Sprintf("Precondition not met for 'entity.change.deletions[%d]'", i))
		}
	}
	if len(fault.messages) == 0 {
		return nil
	}
	return fault
}

// doubled is the fault of additions of what is there and is not deleted.
func (c *cloudChange) doubled(z *cloudZone) *cloudFault {
	fault := &cloudFault{status: http.StatusConflict, reason: "alreadyExists"}
	gone := map[string]bool{}
	for _, set := range c.Deletions {
		gone[set.key()] = true
	}
	for i, set := range c.Additions {
		if _, there := z.sets[set.key()]; there && !gone[set.key()] {
			fault.messages = append(fault.messages, fmt.Sprintf("The resource 'entity.change.additions[%d]' named '%s' already exists", i, set.label()))
		}
	}
	if len(fault.messages) == 0 {
		return nil
	}
	return fault
}

func (c *cloudChange) besideAlias(z *cloudZone) *cloudFault {
	fault := &cloudFault{status: http.StatusBadRequest, reason: "cnameResourceRecordSetConflict"}
	for i, set := range c.Additions {
		if _, alias := z.sets[set.Name+" CNAME"]; alias {
			fault.messages = append(fault.messages, fmt.Sprintf("The resource record set 'entity.change.additions[%d]' is invalid because the DNS name '%s' "+
				"may have either one CNAME resource record set or resource record sets of other types, but not both.", i, set.Name))
		}
	}
	if len(fault.messages) == 0 {
		return nil
	}
	return fault
}

// cloudTXT is a TXT value as it is stored: every string in quotes.
func cloudTXT(data string) (stored string, ok bool) {
	var strs []string
	for rest := strings.TrimLeft(data, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		var s []byte
		quoted := rest[0] == '"'
		if quoted {
			rest = rest[1:]
		}
		closed := !quoted
		for rest != "" {
			c := rest[0]
			if quoted && c == '"' {
				closed, rest = true, rest[1:]
				break
			}
			if !quoted && (c == ' ' || c == '\t' || c == '"') {
				break
			}
			n := 1
			if c == '\\' {
				if c, n = cloudEscape(rest); n == 0 {
					return "", false
				}
			}
			s, rest = append(s, c), rest[n:]
		}
		if !closed || len(s) > 255 {
			return "", false
		}
		strs = append(strs, cloudQuote(s))
	}
	return strings.Join(strs, " "), len(strs) > 0
}

// cloudEscape reads an escape; n is 0 if it is none.
func cloudEscape(s string) (c byte, n int) {
	switch {
	case len(s) < 2:
		return 0, 0
	case s[1] < '0' || s[1] > '9':
		return s[1], 2
	case len(s) < 4:
		return 0, 0
	}
	value, err := strconv.ParseUint(s[1:4], 10, 8)
	if err != nil {
		return 0, 0
	}
	return byte(value), 4
}

func cloudQuote(s []byte) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
