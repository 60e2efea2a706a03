package trace

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/solotick/solotick/internal/web"
)

// settings are what the environment says, by the names of the OpenTelemetry
// specification. A variable that is empty is not there.
type settings struct {
	url       string
	header    http.Header
	timeout   time.Duration
	gzip      bool
	tls       *tls.Config
	attrs     []Attr // of the resource
	forTraces func(name string) string
}

// fromEnvironment returns nil if the environment names no collector, or says that
// there is to be none.
func fromEnvironment(getenv func(string) string) (*settings, error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	switch e := getenv("OTEL_TRACES_EXPORTER"); e {
	case "", "otlp":
	case "none":
		return nil, nil
	default:
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER=%.40q: only otlp and none are known", e)
	}
	s := &settings{header: http.Header{}}
	s.forTraces = func(name string) string {
		return cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_"+name), getenv("OTEL_EXPORTER_OTLP_"+name))
	}
	if s.url = getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); s.url == "" {
		base := getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
		if base == "" {
			return nil, nil
		}
		s.url = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	if u, err := url.Parse(s.url); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the endpoint is no URL that begins with https:// or http://, as in http://127.0.0.1:4318")
	}
	if p := s.forTraces("PROTOCOL"); p != "" && p != "http/json" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%.40q: only http/json is spoken here; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json", p)
	}
	return s, errors.Join(s.headers(), s.way(), s.resource(getenv))
}

// headers are those that prove who sends, such as an API key.
func (s *settings) headers() error {
	all, err := pairs(s.forTraces("HEADERS"))
	if err != nil {
		return fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: %w", err)
	}
	for _, p := range all {
		if !httpguts.ValidHeaderFieldName(p[0]) || !httpguts.ValidHeaderFieldValue(p[1]) {
			return errors.New("OTEL_EXPORTER_OTLP_HEADERS holds what cannot be a header field")
		}
		s.header.Set(p[0], p[1])
	}
	return nil
}

// way is how long a request takes, and through what.
func (s *settings) way() error {
	s.timeout = 10 * time.Second
	if text := s.forTraces("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT=%.40q: want milliseconds", text)
		}
		s.timeout = min(time.Duration(ms)*time.Millisecond, time.Minute)
	}
	switch c := s.forTraces("COMPRESSION"); c {
	case "", "none":
	case "gzip":
		s.gzip = true
	default:
		return fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION=%.40q: only gzip and none are known", c)
	}
	files := [3][]byte{}
	for i, name := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"} {
		path := s.forTraces(name)
		if path == "" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("OTEL_EXPORTER_OTLP_%s: %w", name, err)
		}
		files[i] = text
	}
	if files[0] == nil && files[1] == nil {
		return nil
	}
	var err error
	if s.tls, err = web.TLS(files[0], files[1], files[2], "", false); err != nil {
		return fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
	}
	return nil
}

// resource is what sends the spans.
func (s *settings) resource(getenv func(string) string) error {
	all, err := pairs(getenv("OTEL_RESOURCE_ATTRIBUTES"))
	if err != nil {
		return fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	name := getenv("OTEL_SERVICE_NAME")
	for _, p := range all {
		if p[0] == "service.name" {
			name = cmp.Or(name, p[1])
			continue
		}
		s.attrs = append(s.attrs, Attr{p[0], p[1]})
	}
	s.attrs = append([]Attr{{"service.name", cmp.Or(name, "solotick")}}, s.attrs...)
	return nil
}

// pairs reads key=value,key=value, whose values are percent-encoded (W3C Baggage).
// Errors quote nothing: it may be secret.
func pairs(text string) (all [][2]string, err error) {
	for item := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		key, value, ok := strings.Cut(item, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, errors.New("want key=value,key=value")
		}
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil {
			return nil, errors.New("a value has a % that encodes nothing")
		}
		all = append(all, [2]string{key, value})
	}
	return all, nil
}
