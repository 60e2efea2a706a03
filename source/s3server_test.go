package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// A real server that speaks S3, verifies signatures, and was written by others:
// versitygw, which the go command builds once and keeps. Objects are put there by
// s3cmd.
const (
	s3Region = "eu-test-1"
	s3ID     = "AKIDTESTTESTTEST"
	s3Secret = "hunter2/hunter2+hunter2=hunter2"
)

type s3Server struct {
	dir  string
	addr string
	cmd  *exec.Cmd
	done chan struct{}
}

var (
	s3Mutex   sync.Mutex
	s3Running *s3Server
)

// realS3 starts the server for the first test that wants it.
func realS3(t *testing.T) *s3Server {
	t.Helper()
	s3Mutex.Lock()
	defer s3Mutex.Unlock()
	if s3Running == nil {
		s, err := startS3(filepath.Join(internet.dir, "s3"))
		if err != nil {
			t.Fatal(err)
		}
		s3Running = s
	}
	t.Setenv("AWS_ACCESS_KEY_ID", s3ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3Secret)
	return s3Running
}

func stopS3() {
	if s3Running != nil {
		s3Running.cmd.Process.Kill()
		<-s3Running.done
	}
}

func startS3(dir string) (*s3Server, error) {
	build := exec.Command("go", "tool", "-modfile=../tools/s3/go.mod", "-n", "versitygw")
	build.Env = internet.before
	program, err := build.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("go tool versitygw: %w", err)
	}
	for _, sub := range []string{"data", "meta", "versions"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	var last error
	for range 3 { // between finding a free port and its use somebody else may take it
		s := &s3Server{dir: dir}
		if last = s.start(strings.TrimSpace(string(program))); last == nil {
			return s, nil
		}
	}
	return nil, last
}

func (s *s3Server) start(program string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	l.Close()
	var log bytes.Buffer
	s.cmd = exec.Command(
		program, "--port", s.addr, "--access", s3ID, "--secret", s3Secret, "--region", s3Region, "--keep-alive", "--quiet",
		"--virtual-domain", "s3."+s3Region+".amazonaws.com", "posix", "--sidecar", filepath.Join(s.dir, "meta"),
		"--versioning-dir", filepath.Join(s.dir, "versions"), filepath.Join(s.dir, "data"),
	)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = &log, &log, endWithParent()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.done = make(chan struct{})
	go func() {
		s.cmd.Wait()
		close(s.done)
	}()
	for deadline := time.After(20 * time.Second); ; {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("versitygw ended: %s", log.String())
		case <-deadline:
			s.cmd.Process.Kill()
			<-s.done
			return fmt.Errorf("versitygw does not listen: %s", log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// s3cmd runs the program of that name with an account's credentials.
func (s *s3Server) s3cmd(t *testing.T, args ...string) {
	t.Helper()
	conf := filepath.Join(s.dir, "s3cfg")
	write(t, conf, "[default]\naccess_key = "+s3ID+"\nsecret_key = "+s3Secret+"\nhost_base = "+s.addr+"\nhost_bucket = "+s.addr+
		"\nbucket_location = "+s3Region+"\nuse_https = False\nmax_retries = 1\n")
	cmd := exec.Command("s3cmd", append([]string{"-c", conf}, args...)...)
	cmd.Env = append(internet.before, "no_proxy=127.0.0.1", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("s3cmd %s: %v: %s", args, err, out)
	}
}

// put makes an object.
func (s *s3Server) put(t *testing.T, where, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "object")
	write(t, file, text)
	s.s3cmd(t, "put", file, where)
}

// bucket makes a bucket for a test.
func (s *s3Server) bucket(t *testing.T, name string) {
	t.Helper()
	s.s3cmd(t, "mb", "s3://"+name)
}

// versioning makes a bucket keep old versions, which s3cmd cannot.
func (s *s3Server) versioning(t *testing.T, bucket string) {
	t.Helper()
	body := `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`
	req, err := http.NewRequest(http.MethodPut, s.endpoint()+"/"+bucket+"?versioning=", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	const unsigned = "UNSIGNED-PAYLOAD"
	req.Header.Set("X-Amz-Content-Sha256", unsigned)
	credentials := aws.Credentials{AccessKeyID: s3ID, SecretAccessKey: s3Secret}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, req, unsigned, "s3", s3Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		t.Fatalf("versioning: %s: %s", resp.Status, said)
	}
}

func (s *s3Server) endpoint() string { return "http://" + s.addr }

// A passage leads to the server under other names, and notes the names and
// headers that requests had.
type passage struct {
	to *httputil.ReverseProxy

	mu    sync.Mutex
	asked []string
	last  http.Header
}

func (s *s3Server) passage() *passage {
	target := &url.URL{Scheme: "http", Host: s.addr}
	return &passage{to: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // is signed
	}, Transport: &http.Transport{DisableKeepAlives: true}, ErrorLog: quiet}}
}

func (p *passage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Host+r.URL.EscapedPath())
	p.last = r.Header.Clone()
	p.mu.Unlock()
	if strings.HasSuffix(r.Host, ".amazonaws.com") && !strings.Contains(r.Host, s3Region) {
		// As Amazon answers in another region than the bucket's.
		w.Header().Set("X-Amz-Bucket-Region", s3Region)
		w.WriteHeader(http.StatusMovedPermanently)
		io.WriteString(w, xmlError("PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint."))
		return
	}
	p.to.ServeHTTP(w, r)
}
