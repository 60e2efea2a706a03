// Package source reads a text that lies elsewhere: the job list of an agent, on
// a web server, in S3, Google Cloud Storage or Azure Blob Storage, or in a file.
//
//	s, err := source.New(source.Options{URL: "s3://automation/jobs.yaml"})
//	doc, err := s.Fetch(ctx)
//
// A [Source] asks for its one text as often as it is told to, and with one request:
// what has not changed is not sent again (ETag, If-None-Match). What was fetched
// may be bound to a hash ([Options.SHA256]) or to a signature
// ([Options.PublicKey]). Keeping the last good text while the source is away or
// holds nonsense is the caller's, as is the time between two fetches.
//
// One object is one signed GET, so it is sent by internal/web, and only the
// credentials and the signing are the vendors' libraries: together they add
// 5.3 MB to a static binary of 6.1 MB, and 1 ms to its start. gocloud.dev/blob
// with its three drivers adds 40 MB and 7 ms, and cannot read under a condition in
// one request.
//
// # Addresses
//
//	https://host/path           any web server; the query may hold a token, as in a presigned URL
//	s3://bucket/key             [?versionId=]
//	gs://bucket/object          [?generation=]
//	azblob://account/container/blob   [?versionid=, ?snapshot=, or the query of a shared access signature]
//	file:///path, /path         a file of this machine
//
// Paths are percent-encoded, as in every URL: a % in the name of an object is
// written as %25. A path without file:// is taken as it is.
//
// # Credentials
//
// The agent's own identity is found as every program of the vendor finds it: by
// the default chains of AWS (environment, ~/.aws, web identity, container and
// instance roles), Google (GOOGLE_APPLICATION_CREDENTIALS, gcloud, metadata
// service) and Azure (environment, workload and managed identity, az). That is
// done at the first fetch and not by [New]; credentials are kept, refreshed in
// time, and found anew after the service has denied access. Where there are none
// nothing is asked, except with [Options.Anonymous]. The account keys of Azure
// are not supported: they open the whole account, a shared access signature one
// blob.
package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"aead.dev/minisign"

	"github.com/solotick/solotick/internal/web"
)

// Defaults of [Options].
const (
	DefaultTimeout = 5 * time.Second
	DefaultMaxSize = 1 << 20
)

// What a caller may want to tell apart. Any other error of [Source.Fetch] says
// that the source did not answer, or nothing that can be used.
var (
	ErrNotFound  = errors.New("not found")
	ErrDenied    = errors.New("access denied")
	ErrUntrusted = errors.New("not trusted") // another hash than the pinned one, or no signature that fits
	ErrTooLarge  = errors.New("too large")
)

// Options say what to read and how. Options that the kind of address has no use
// for are a mistake that [New] reports.
type Options struct {
	URL     string
	Name    string        // how it is called in errors and by String; empty: the address without user, password and query
	Timeout time.Duration // of one fetch, with credentials and signature; 0: 5 s. Files have none
	MaxSize int64         // bytes, after decompression; 0: 1 MiB

	// SHA256 is the hash that the text must have, in hex; empty: any.
	SHA256 string
	// PublicKey is a public key of minisign: its line, or the file of two. The
	// text must then have a signature by it beside it, named as the text with
	// .minisig appended to its path, as `minisign -S` writes it. It is read after
	// the text: while both are being replaced, they may not fit for a moment. A
	// signature says who wrote a text and not when: who may write to the place can
	// put an old text back, with its signature.
	PublicKey string

	Region   string // S3; empty: as AWS_REGION and ~/.aws/config say, else us-east-1, else where S3 says the bucket is
	Endpoint string // another address of the service. S3: of a compatible one, with the bucket in the path; Azure: the account's blob endpoint
	// Anonymous reads without credentials what everybody may read in S3, Google
	// Cloud Storage or Azure. Public objects of Google's are cached by Google for
	// an hour unless their Cache-Control says otherwise.
	Anonymous bool

	Header   http.Header // of https requests, as Authorization; never sent to another host after a redirect
	Insecure bool        // allows http:// for URL and Endpoint
	TLS      *tls.Config // nil: the system's roots
	Reach    web.Reach   // which addresses may be reached; the vendors' credentials have their own ways
	Proxy    bool        // use HTTPS_PROXY and NO_PROXY, as the vendors' credentials always do
}

// Format prints the address without user, password and query, and none of the
// other options, whatever the verb: any of them may hold a secret.
func (o Options) Format(f fmt.State, _ rune) {
	if p, err := open(o); err == nil {
		fmt.Fprint(f, p.String())
		p.close()
		return
	}
	fmt.Fprint(f, "***")
}

// MarshalText is what Format prints, in JSON and YAML.
func (o Options) MarshalText() ([]byte, error) { return fmt.Append(nil, o), nil }

// A Document is a text as it was found.
type Document struct {
	Text    []byte // shared by all who were given it, so not to be changed
	Version string // its ETag, or else its SHA-256 in hex
	SHA256  string // in hex
	Changed bool   // it differs from the text that was fetched before; true for the first
	Fetched time.Time
}

// A Source reads one text. It is safe for concurrent use: who asks while somebody
// else does gets what that one gets.
type Source struct {
	place   place
	name    string
	timeout time.Duration
	pin     string
	key     *minisign.PublicKey

	mu      sync.Mutex
	current *fetch // nil: nobody fetches

	// Of who fetches.
	last  Document
	since validator // what last was; zero: nothing to compare with
}

// A place is where a text lies. Its methods are for one goroutine at a time.
type place interface {
	// read returns the text, or that with a suffix to its path. It says that it
	// is unchanged if since describes it.
	read(ctx context.Context, suffix string, since validator) (reading, error)
	// String is the address without user, password and query.
	String() string
	close()
}

// A validator describes a text for a conditional request: RFC 9110 section 8.8.
type validator struct {
	etag     string
	modified string // a time, if it is old enough to be one of one text only
}

type reading struct {
	text      []byte
	unchanged bool
	validator validator
}

// New checks everything that can be checked without asking anybody.
func New(o Options) (*Source, error) {
	if o.Timeout < 0 || o.MaxSize < 0 {
		return nil, errors.New("source: want a positive timeout and size")
	}
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.MaxSize = cmp.Or(o.MaxSize, DefaultMaxSize)
	s := &Source{timeout: o.Timeout, pin: strings.ToLower(strings.TrimSpace(o.SHA256))}
	if hash, err := hex.DecodeString(s.pin); err != nil || s.pin != "" && len(hash) != sha256.Size {
		return nil, errors.New("source: sha256: want 64 hex digits")
	}
	if o.PublicKey != "" {
		var key minisign.PublicKey
		if err := key.UnmarshalText([]byte(strings.TrimSpace(o.PublicKey))); err != nil {
			return nil, errors.New("source: not a public key of minisign: want the line that begins with RW")
		}
		s.key = &key
	}
	p, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	s.place, s.name = p, cmp.Or(o.Name, p.String())
	return s, nil
}

// String is how the options call it, or the address without user, password and
// query.
func (s *Source) String() string { return s.name }

// Close closes idle connections.
func (s *Source) Close() { s.place.close() }

// A fetch is one in progress.
type fetch struct {
	done chan struct{} // closed when the rest is set
	doc  Document
	err  error
	left bool // whoever fetched gave up, which says nothing to those who wait
}

// Fetch returns the text as it is now. Errors name the address without its query,
// and hold no secret.
func (s *Source) Fetch(ctx context.Context) (Document, error) {
	for {
		s.mu.Lock()
		f := s.current
		if f == nil {
			f = &fetch{done: make(chan struct{})}
			s.current = f
			s.mu.Unlock()
			s.run(ctx, f)
			return f.doc, f.err
		}
		s.mu.Unlock()
		select {
		case <-f.done:
			if !f.left {
				return f.doc, f.err
			}
		case <-ctx.Done():
			return Document{}, fmt.Errorf("source: %s: %w", s, ctx.Err())
		}
	}
}

// run does a fetch, of which there is one at a time.
func (s *Source) run(ctx context.Context, f *fetch) {
	f.left = true // in case of a panic
	defer func() {
		s.mu.Lock()
		s.current = nil
		s.mu.Unlock()
		close(f.done)
	}()
	timed, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	f.doc, f.err = s.fetch(timed)
	f.left = f.err != nil && ctx.Err() != nil
	switch {
	case f.err == nil:
	case ctx.Err() == nil && (errors.Is(timed.Err(), context.DeadlineExceeded) || errors.Is(f.err, context.DeadlineExceeded)):
		f.err = fmt.Errorf("source: %s: no answer within %s: %w", s, s.timeout, f.err)
	default:
		f.err = fmt.Errorf("source: %s: %w", s, f.err)
	}
}

func (s *Source) fetch(ctx context.Context) (Document, error) {
	r, err := s.place.read(ctx, "", s.since)
	if err != nil {
		return Document{}, err
	}
	doc := s.last
	if !r.unchanged {
		hash := sha256.Sum256(r.text)
		doc = Document{Text: r.text, SHA256: hex.EncodeToString(hash[:])}
		doc.Version = cmp.Or(r.validator.etag, doc.SHA256)
	}
	doc.Changed = doc.SHA256 != s.last.SHA256
	if doc.Changed {
		if err := s.trust(ctx, doc); err != nil {
			return Document{}, err
		}
	}
	doc.Fetched = time.Now()
	s.last = doc
	if !r.unchanged {
		s.since = r.validator
	}
	return doc, nil
}
