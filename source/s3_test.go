package source_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/source"
)

func TestS3(t *testing.T) {
	server := realS3(t)
	server.bucket(t, "automation")
	server.put(t, "s3://automation/jobs.yaml", "one")
	s := open(t, source.Options{URL: "s3://automation/jobs.yaml", Endpoint: server.endpoint(), Region: s3Region, Insecure: true})
	doc := want(t, s, "one", true)
	if doc.Version == doc.SHA256 {
		t.Error("got no ETag")
	}
	want(t, s, "one", false)
	server.put(t, "s3://automation/jobs.yaml", "two")
	want(t, s, "two", true)

	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	want(t, s, "two", false) // what it has found it keeps
	other := open(t, source.Options{URL: "s3://automation/jobs.yaml", Endpoint: server.endpoint(), Region: s3Region, Insecure: true})
	if err := fails(t, other, source.ErrDenied); !strings.Contains(err.Error(), "403 Forbidden: SignatureDoesNotMatch: ") || strings.Contains(err.Error(), "another") {
		t.Errorf("got %v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3Secret)
	want(t, other, "two", true) // until it was denied access

	for where, code := range map[string]string{"s3://automation/nothing.yaml": "NoSuchKey", "s3://nobucket/jobs.yaml": "NoSuchBucket"} {
		nothing := open(t, source.Options{URL: where, Endpoint: server.endpoint(), Region: s3Region, Insecure: true})
		err := fails(t, nothing, source.ErrNotFound)
		if !strings.HasPrefix(err.Error(), "source: "+where+": not found: 404 Not Found: "+code+": The specified ") {
			t.Errorf("got %v", err)
		}
	}
	server.put(t, "s3://automation/large.yaml", strings.Repeat("x", 101))
	large := open(t, source.Options{URL: "s3://automation/large.yaml", Endpoint: server.endpoint(), Region: s3Region, Insecure: true, MaxSize: 100})
	fails(t, large, source.ErrTooLarge)
}

// TestS3Keys signs paths in which the escaping of S3 differs from everybody
// else's.
func TestS3Keys(t *testing.T) {
	server := realS3(t)
	server.bucket(t, "keys")
	for _, test := range []struct{ key, escaped string }{
		{"folder/jobs.yaml", "folder/jobs.yaml"},
		{"a b+c.yaml", "a%20b+c.yaml"},
		{"a%20b.yaml", "a%2520b.yaml"},
		{"jöbs/日本.yaml", "j%C3%B6bs/日本.yaml"},
		{"!'()*;:@&=$,~[]^`{}|.yaml", "!'()*;:@&=$,~[]%5E%60%7B%7D%7C.yaml"},
		{"why?#.yaml", "why%3F%23.yaml"},
	} {
		t.Run(test.key, func(t *testing.T) {
			server.put(t, "s3://keys/"+test.key, test.key)
			s := open(t, source.Options{URL: "s3://keys/" + test.escaped, Endpoint: server.endpoint(), Region: s3Region, Insecure: true})
			want(t, s, test.key, true)
			want(t, s, test.key, false)
		})
	}
}

// TestS3Regions asks at Amazon's own addresses, and has to find out where the
// bucket is.
func TestS3Regions(t *testing.T) {
	server := realS3(t)
	for _, test := range []struct {
		name, bucket, region, environment string
		asked                             []string
	}{
		{"told by the options", "amz-1", s3Region, "us-west-2", []string{"amz-1.s3.eu-test-1.amazonaws.com/a%2Bb.yaml"}},
		{"told by the environment", "amz-2", "", s3Region, []string{"amz-2.s3.eu-test-1.amazonaws.com/a%2Bb.yaml"}},
		{"told by S3", "amz-3", "", "", []string{"amz-3.s3.us-east-1.amazonaws.com/a%2Bb.yaml", "amz-3.s3.eu-test-1.amazonaws.com/a%2Bb.yaml"}},
		{"told by S3 although options say", "amz-5", "us-east-1", "", []string{"amz-5.s3.us-east-1.amazonaws.com/a%2Bb.yaml", "amz-5.s3.eu-test-1.amazonaws.com/a%2Bb.yaml"}},
		{"name with dots", "amz.4.test", s3Region, "", []string{"s3.eu-test-1.amazonaws.com/amz.4.test/a%2Bb.yaml"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server.bucket(t, test.bucket)
			server.put(t, "s3://"+test.bucket+"/a+b.yaml", "text")
			t.Setenv("AWS_REGION", test.environment)
			p := server.passage()
			for _, asked := range test.asked {
				host, _, _ := strings.Cut(asked, "/")
				internet.at(t, host, p)
			}
			s := open(t, source.Options{URL: "s3://" + test.bucket + "/a+b.yaml", Region: test.region, Proxy: true})
			want(t, s, "text", true)
			want(t, s, "text", false)
			// What was told once is kept.
			if diff := cmp.Diff(append(test.asked, test.asked[len(test.asked)-1]), p.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("told by another's server", func(t *testing.T) {
		p := server.passage()
		srv := httptest.NewServer(p)
		t.Cleanup(srv.Close)
		s := open(t, source.Options{URL: "s3://amz-1/a+b.yaml", Endpoint: srv.URL, Insecure: true})
		want(t, s, "text", true)
		want(t, s, "text", false)
		if len(p.asked) != 3 {
			t.Errorf("asked %q", p.asked)
		}
	})
}

func TestS3SessionToken(t *testing.T) {
	server := realS3(t)
	server.bucket(t, "session")
	server.put(t, "s3://session/jobs.yaml", "text")
	t.Setenv("AWS_SESSION_TOKEN", "token/of+a=session")
	p := server.passage()
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	want(t, open(t, source.Options{URL: "s3://session/jobs.yaml", Endpoint: srv.URL, Region: s3Region, Insecure: true}), "text", true)
	if got := p.last.Get("X-Amz-Security-Token"); got != "token/of+a=session" || !strings.Contains(p.last.Get("Authorization"), "x-amz-security-token") {
		t.Errorf("got token %q, %s", got, p.last.Get("Authorization"))
	}
}

func TestS3Versions(t *testing.T) {
	server := realS3(t)
	server.bucket(t, "versions")
	server.versioning(t, "versions")
	server.put(t, "s3://versions/jobs.yaml", "one")
	server.put(t, "s3://versions/jobs.yaml", "two")
	alice := newSigner(t)
	server.put(t, "s3://versions/jobs.yaml.minisig", alice.sign(t, "one"))
	var id string // versitygw keeps an old version in a file of that name
	filepath.WalkDir(filepath.Join(server.dir, "versions", "versions"), func(path string, d os.DirEntry, _ error) error {
		if d != nil && d.Type().IsRegular() {
			id = d.Name()
		}
		return nil
	})
	o := source.Options{URL: "s3://versions/jobs.yaml", Endpoint: server.endpoint(), Region: s3Region, Insecure: true}
	want(t, open(t, o), "two", true)
	o.URL += "?versionId=" + id
	o.PublicKey = alice.public(t) // its signature has another version, or none
	s := open(t, o)
	want(t, s, "one", true)
	want(t, s, "one", false)
}

func TestS3Anonymous(t *testing.T) {
	server := realS3(t)
	server.bucket(t, "public")
	server.put(t, "s3://public/jobs.yaml", "text")
	o := source.Options{URL: "s3://public/jobs.yaml", Endpoint: server.endpoint(), Region: s3Region, Insecure: true, Anonymous: true}
	s := open(t, o)
	fails(t, s, source.ErrDenied)
	policy := filepath.Join(t.TempDir(), "policy")
	write(t, policy, `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::public/*"}]}`)
	server.s3cmd(t, "setpolicy", policy, "s3://public")
	want(t, s, "text", true)
	want(t, s, "text", false)

	// Never by itself, where there are no credentials.
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	o.Anonymous = false
	if err := fails(t, open(t, o), nil); !strings.Contains(err.Error(), "no credentials of AWS: ") {
		t.Errorf("got %v", err)
	}
	o.Anonymous = true
	want(t, open(t, o), "text", true)
}

// TestS3Credentials gets them from where a container has them.
func TestS3Credentials(t *testing.T) {
	server := realS3(t)
	server.bucket(t, "container")
	server.put(t, "s3://container/jobs.yaml", "text")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	expires := time.Hour
	requests := 0
	hang := false
	release := make(chan struct{})
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		if hang {
			<-release
		}
		json.NewEncoder(w).Encode(map[string]string{
			"AccessKeyId": s3ID, "SecretAccessKey": s3Secret, "Token": "t", "Expiration": time.Now().Add(expires).UTC().Format(time.RFC3339),
		})
	}))
	t.Cleanup(agent.Close)
	t.Cleanup(func() { close(release) })
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
	o := source.Options{URL: "s3://container/jobs.yaml", Endpoint: server.endpoint(), Region: s3Region, Insecure: true}
	counts := func(want int) {
		t.Helper()
		if requests != want {
			t.Fatalf("%d requests for credentials; want %d", requests, want)
		}
	}
	s := open(t, o)
	counts(0) // not before they are needed
	want(t, s, "text", true)
	want(t, s, "text", false)
	counts(1)

	expires = -time.Second
	s = open(t, o)
	want(t, s, "text", true)
	want(t, s, "text", false)
	counts(3)

	hang = true
	o.Timeout = 50 * time.Millisecond
	if err := fails(t, open(t, o), nil); !strings.Contains(err.Error(), "no answer within 50ms: no credentials of AWS") {
		t.Errorf("got %v", err)
	}
}

// TestS3Answers are those that a server of one region with a right clock does not
// give.
func TestS3Answers(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", s3ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3Secret)
	t.Setenv("AWS_SESSION_TOKEN", strings.Repeat("hunter2", 5))
	const redirect = "PermanentRedirect: The bucket you are attempting to access must be addressed using the specified endpoint."
	for _, test := range []struct {
		name     string
		status   int
		header   string
		body     string
		requests int
		is       error
		says     string
	}{
		{"redirected without a region", 301, "", xmlError("PermanentRedirect", redirect[len("PermanentRedirect: "):]), 1, nil, "301 Moved Permanently: " + redirect},
		{"redirected in a circle", 301, "eu-test-2", "", 2, nil, "301 Moved Permanently"},
		{"region in the body", 400, "", xmlError("AuthorizationHeaderMalformed", "no", "<Region>eu-test-2</Region>"), 2, nil, "400 Bad Request: AuthorizationHeaderMalformed: no"},
		{"region in the text", 400, "", xmlError("AuthorizationHeaderMalformed", "the region 'x' is wrong; expecting 'eu-test-2'"), 2, nil, "expecting 'eu-test-2'"},
		{"region that is none", 301, "evil.example/#", "", 1, nil, "301 Moved Permanently"},
		{"region that it has", 400, "eu-test-1", "", 1, nil, "400 Bad Request"},
		{"region of who is denied", 403, "eu-test-2", xmlError("AccessDenied", "Access Denied"), 1, source.ErrDenied, "403 Forbidden: AccessDenied: Access Denied; S3 says so also of what is not there, to who may not list the bucket"},
		{"clock", 403, "", xmlError("RequestTimeTooSkewed", "The difference is too large."), 1, source.ErrDenied, "the clocks of this machine and of the service are too far apart: here it is "},
		{"clock there", 403, "", xmlError("RequestTimeTooSkewed", "The difference is too large."), 1, source.ErrDenied, ", there Sat, 01 Jan 2000 00:00:00 GMT"},
		{"expired", 400, "", xmlError("ExpiredToken", "The provided token has expired."), 1, source.ErrDenied, "access denied: 400 Bad Request: ExpiredToken: The provided token has expired."},
		{"busy", 503, "", xmlError("SlowDown", "Please reduce your request rate."), 2, nil, "503 Service Unavailable: SlowDown: Please reduce your request rate."},
		{"no XML", 403, "", "<html>no</html>", 1, source.ErrDenied, "access denied: 403 Forbidden"},
		{"a lot", 403, "", xmlError("AccessDenied", strings.Repeat("no ", 2000)), 1, source.ErrDenied, "no no no"},
		{"lines", 403, "", xmlError("Access", "no\n\n\x1b\tno"), 1, source.ErrDenied, "403 Forbidden"},
		{"address", 403, "", xmlError("AccessDenied", "see https://help.example/a?key=hunter2 now"), 1, source.ErrDenied, "AccessDenied: see https://help.example/a?... now"},
		{"another's token", 403, "", xmlError("AccessDenied", "not with "+strings.Repeat("hunter2", 5)), 1, source.ErrDenied, "access denied: 403 Forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			requests := 0
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests++
				w.Header().Set("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
				if test.header != "" {
					w.Header().Set("X-Amz-Bucket-Region", test.header)
				}
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			}))
			s := open(t, source.Options{URL: "s3://automation/jobs.yaml", Endpoint: srv.URL, Region: "eu-test-1", Timeout: 10 * time.Second})
			err := fails(t, s, test.is)
			text := err.Error()
			if !strings.Contains(text, test.says) || strings.Contains(text, "hunter2") || strings.ContainsAny(text, "\n\t\x1b") || len(text) > 600 {
				t.Errorf("got  %s\nwant %s", text, test.says)
			}
			if requests != test.requests {
				t.Errorf("%d requests; want %d", requests, test.requests)
			}
		})
	}
}

func xmlError(code, message string, more ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>" + code + "</Code><Message>" + message + "</Message>" +
		strings.Join(more, "") + "<RequestId>4442587FB7D0A2F9</RequestId></Error>"
}
