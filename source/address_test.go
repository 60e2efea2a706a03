package source_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/source"
)

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.com/jobs.yaml":                          "https://example.com/jobs.yaml",
		"https://u:p@example.com:8443/a%20b?x=y":                 "https://example.com:8443/a%20b",
		"https://example.com":                                    "https://example.com",
		"s3://automation/jobs.yaml":                              "s3://automation/jobs.yaml",
		"s3://my.bucket-1/a/b%20c/d+e?versionId=x":               "s3://my.bucket-1/a/b%20c/d%2Be",
		"gs://my_bucket.example.com/a/b?generation=7":            "gs://my_bucket.example.com/a/b",
		"azblob://acme/automation/a/jobs.yaml":                   "azblob://acme/automation/a/jobs.yaml",
		"azblob://acme/$root/jobs.yaml?sv=2024-01-01&sig=hunter": "azblob://acme/%24root/jobs.yaml",
		"file:///etc/solotick/jobs.yaml":                         "/etc/solotick/jobs.yaml",
		"/etc/solotick/100% of jobs?.yaml":                       "/etc/solotick/100% of jobs?.yaml",
	} {
		s, err := source.New(source.Options{URL: in})
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := s.String(); got != want {
			t.Errorf("%s: got %s; want %s", in, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	const secret = "hunter2"
	for says, all := range map[string][]source.Options{
		"want a URL that begins with": {
			{}, {URL: "jobs.yaml"}, {URL: "./jobs.yaml"}, {URL: "example.com/x"}, {URL: "ftp://example.com/hunter2"}, {URL: "mailto:hunter2@example.com"},
		},
		"not a URL": {
			{URL: "https://example.com/%zz?hunter2"}, {URL: "https://a b/?hunter2"}, {URL: "https://example.com:hunter2"}, {URL: "https://u:hunter2 @x/"},
		},
		"want https://host":                           {{URL: "https:///x"}, {URL: "https:x"}, {URL: "https://:443/x"}},
		"with a #":                                    {{URL: "https://example.com/jobs#1"}, {URL: "s3://bucket/jobs#1"}},
		"can be read and changed on its way":          {{URL: "http://example.com/hunter2"}, {URL: "s3://bucket/x", Endpoint: "http://127.0.0.1:9000"}},
		"want a file as file:///path":                 {{URL: "file://host/x"}, {URL: "file:///x?hunter2"}, {URL: "file:x"}, {URL: "file://"}},
		"want s3://bucket/key":                        {{URL: "s3://bucket"}, {URL: "s3://bucket/"}, {URL: "s3://bucket/folder/"}, {URL: "s3:///key"}, {URL: "s3://Bucket/x"}, {URL: "s3://a/x"}, {URL: "s3://bucket:9000/x"}, {URL: "s3://b_c/x"}},
		"want gs://bucket/object":                     {{URL: "gs://bucket"}, {URL: "gs://-b/x"}},
		"want azblob://account/container/blob":        {{URL: "azblob://container/blob"}, {URL: "azblob://my-container/a/b"}, {URL: "azblob://acme/C/b"}, {URL: "azblob://acme/c_d/b"}, {URL: "azblob://acme"}},
		"no user in such a URL":                       {{URL: "s3://AKID:hunter2@bucket/key"}, {URL: "gs://hunter2@bucket/x"}},
		"the only parameters of s3:// are versionId":  {{URL: "s3://bucket/key?hunter2=hunter2"}, {URL: "s3://bucket/key?region=x"}},
		"the only parameters of gs:// are generation": {{URL: "gs://bucket/key?versionId=hunter2"}},
		"or those of a shared access signature":       {{URL: "azblob://acme/cont/x?sv=hunter2"}},
		"its query is not a query":                    {{URL: "s3://bucket/key?a;hunter2"}, {URL: "azblob://acme/cont/x?%zz=hunter2"}},
		"anonymous is not for a shared access":        {{URL: "azblob://acme/cont/x?sig=hunter2", Anonymous: true}},
		"region is not for":                           {{URL: "gs://bucket/x", Region: "eu"}, {URL: "https://example.com", Region: "eu"}, {URL: "/x", Region: "eu"}, {URL: "azblob://acme/cont/x", Region: "eu"}},
		"endpoint is not for":                         {{URL: "https://example.com", Endpoint: "https://x"}, {URL: "file:///x", Endpoint: "https://x"}},
		"anonymous is not for":                        {{URL: "https://example.com", Anonymous: true}, {URL: "/x", Anonymous: true}},
		"header is not for":                           {{URL: "s3://bucket/x", Header: http.Header{"A": {secret}}}, {URL: "/x", Header: http.Header{"A": {secret}}}},
		"the header range is not to be set":           {{URL: "https://example.com", Header: http.Header{"range": {secret}}}},
		"the header Accept-Encoding is not to be set": {{URL: "https://example.com", Header: http.Header{"Accept-Encoding": {secret}}}},
		"region: want one as eu-central-1":            {{URL: "s3://bucket/x", Region: "evil.example/?"}, {URL: "s3://bucket/x", Region: "EU"}},
		"endpoint: want https://host":                 {{URL: "s3://bucket/x", Endpoint: "s3.example.com"}, {URL: "s3://bucket/x", Endpoint: "https://u:hunter2@x"}, {URL: "gs://bucket/x", Endpoint: "https://x?hunter2"}, {URL: "gs://bucket/x", Endpoint: "%zz"}},
		"sha256: want 64 hex digits":                  {{URL: "/x", SHA256: "abc"}, {URL: "/x", SHA256: strings.Repeat("g", 64)}, {URL: "/x", SHA256: strings.Repeat("a", 62)}},
		"not a public key of minisign":                {{URL: "/x", PublicKey: "hunter2"}},
		"want a positive timeout and size":            {{URL: "/x", Timeout: -time.Second}, {URL: "/x", MaxSize: -1}},
	} {
		for _, o := range all {
			_, err := source.New(o)
			if err == nil {
				t.Errorf("%s: no error", o.URL)
			} else if text := err.Error(); !strings.HasPrefix(text, "source: ") || !strings.Contains(text, says) || strings.Contains(text, secret) {
				t.Errorf("%s: got %s; want %s", o.URL, text, says)
			}
		}
	}
}
