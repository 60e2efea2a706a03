package trace

import (
	"encoding/json"
	"strconv"
	"time"
)

// The JSON of OTLP: protobuf's own mapping, but for ids, which are hexadecimal, and
// enumerations, which are numbers. 64-bit integers are texts.

type request struct {
	ResourceSpans []resourceSpans `json:"resourceSpans"`
}

type resourceSpans struct {
	Resource   resource     `json:"resource"`
	ScopeSpans []scopeSpans `json:"scopeSpans"`
}

type resource struct {
	Attributes []attribute `json:"attributes"`
}

type scopeSpans struct {
	Scope scope  `json:"scope"`
	Spans []span `json:"spans"`
}

type scope struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type span struct {
	TraceID      string      `json:"traceId"`
	SpanID       string      `json:"spanId"`
	ParentSpanID string      `json:"parentSpanId,omitempty"`
	Flags        int         `json:"flags"`
	Name         string      `json:"name"`
	Kind         Kind        `json:"kind"`
	Start        string      `json:"startTimeUnixNano"`
	End          string      `json:"endTimeUnixNano"`
	Attributes   []attribute `json:"attributes,omitempty"`
	Status       status      `json:"status"`
}

type status struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// failed is STATUS_CODE_ERROR. That a run went well is left unset, as instrumentation
// does: OK is for people who know better than the spans below.
const failed = 2

type attribute struct {
	Key   string         `json:"key"`
	Value map[string]any `json:"value"`
}

func attributes(all []Attr) []attribute {
	var out []attribute
	for _, a := range all {
		var v map[string]any
		switch value := a.Value.(type) {
		case string:
			v = map[string]any{"stringValue": value}
		case bool:
			v = map[string]any{"boolValue": value}
		case int:
			v = map[string]any{"intValue": strconv.Itoa(value)}
		case int64:
			v = map[string]any{"intValue": strconv.FormatInt(value, 10)}
		case float64:
			v = map[string]any{"doubleValue": value}
		default:
			continue // nothing here makes others
		}
		out = append(out, attribute{a.Key, v})
	}
	return out
}

func nanos(t time.Time) string { return strconv.FormatInt(max(t.UnixNano(), 0), 10) }

// encode is the body of a request.
func encode(res []Attr, version string, spans []Span) ([]byte, error) {
	ss := scopeSpans{Scope: scope{"github.com/solotick/solotick", version}}
	for i := range spans {
		s := &spans[i]
		out := span{
			TraceID: s.Trace.String(), SpanID: s.ID.String(), Flags: 1, Name: s.Name, Kind: s.Kind,
			Start: nanos(s.Start), End: nanos(s.End), Attributes: attributes(s.Attrs),
		}
		if s.Parent != (SpanID{}) {
			out.ParentSpanID = s.Parent.String()
		}
		if s.Failed {
			out.Status = status{failed, s.Message}
		}
		ss.Spans = append(ss.Spans, out)
	}
	return json.Marshal(request{[]resourceSpans{{resource{attributes(res)}, []scopeSpans{ss}}}})
}

// A partial is the answer to a request of which not all was taken.
type partial struct {
	PartialSuccess struct {
		RejectedSpans json.RawMessage `json:"rejectedSpans"` // a number or a text
		ErrorMessage  string          `json:"errorMessage"`
	} `json:"partialSuccess"`
}

// rejected is how many spans were not taken, and why.
func rejected(body []byte) (int, string) {
	var p partial
	if json.Unmarshal(body, &p) != nil {
		return 0, ""
	}
	raw := string(p.PartialSuccess.RejectedSpans)
	if text := ""; json.Unmarshal(p.PartialSuccess.RejectedSpans, &text) == nil {
		raw = text
	}
	n, err := strconv.Atoi(raw)
	if err != nil {
		n = 0
	}
	return n, p.PartialSuccess.ErrorMessage
}
