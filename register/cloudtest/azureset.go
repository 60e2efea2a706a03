package cloudtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

type azureProperties struct {
	FQDN     string            `json:"fqdn,omitempty"`
	TTL      int64             `json:"TTL"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Records  []azureTXT        `json:"TXTRecords"`
	Target   map[string]string `json:"targetResource"`
	State    string            `json:"provisioningState,omitempty"`
}

type azureTXT struct {
	Value []string `json:"value"`
}

// azureRead reads the record set that a request brings.
func azureRead(r *http.Request) (*azureSet, error) {
	var body struct {
		Properties azureProperties `json:"properties"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("the request body is invalid: %w", err)
	}
	p := body.Properties
	if p.TTL < 1 || p.TTL > 1<<31-1 {
		return nil, fmt.Errorf("the TTL %d is invalid", p.TTL)
	}
	if len(p.Records) > 20 {
		return nil, fmt.Errorf("the record set exceeds the maximum of 20 records")
	}
	set := &azureSet{ETag: azureETag(), TTL: p.TTL, Metadata: p.Metadata}
	total := 0
	for _, record := range p.Records {
		for _, s := range record.Value {
			if s == "" || len(s) > 255 || !azureEscaped(s) {
				return nil, fmt.Errorf("the value %q of a TXT record is invalid", s)
			}
			total += len(s)
		}
		if len(record.Value) == 0 {
			return nil, fmt.Errorf("a TXT record has no value")
		}
		set.Values = append(set.Values, record.Value)
	}
	if total > 4096 {
		return nil, fmt.Errorf("the TXT record set exceeds the maximum length of 4096 characters")
	}
	return set, nil
}

// azureEscaped says whether every backslash begins an escape of RFC 1035 section
// 5.1.
func azureEscaped(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		i++
		switch {
		case i == len(s):
			return false
		case s[i] < '0' || s[i] > '9':
		case len(s)-i < 3 || s[i:i+3] > "255" || strings.Trim(s[i:i+3], "0123456789") != "":
			return false
		default:
			i += 2
		}
	}
	return true
}

func (s *azureSet) answer(w http.ResponseWriter, status int, path, zone, name string) {
	fqdn := zone + "."
	if name != "@" {
		fqdn = name + "." + fqdn
	}
	p := azureProperties{FQDN: fqdn, TTL: s.TTL, Metadata: s.Metadata, Records: []azureTXT{}, Target: map[string]string{}, State: "Succeeded"}
	for _, value := range s.Values {
		p.Records = append(p.Records, azureTXT{slices.Clone(value)})
	}
	if s.Target != "" {
		p.Target["id"] = s.Target
	}
	w.Header().Set("ETag", s.ETag)
	azureJSON(w, status, map[string]any{
		"id": path, "name": name, "type": "Microsoft.Network/dnszones/TXT", "etag": s.ETag, "properties": p,
	})
}

// azureError is an error of Azure DNS itself, and azureManagerError one of Azure
// Resource Manager, which stands before it.
func azureError(w http.ResponseWriter, status int, code, message string) {
	azureJSON(w, status, map[string]string{"code": code, "message": message})
}

func azureManagerError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Ms-Failure-Cause", "gateway")
	azureJSON(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

func azureJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}
