package source

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/solotick/solotick/internal/web"
)

// Names become part of a host name, or of a path before the object's own, so they
// must be what the services allow.
var (
	s3Bucket       = shape{regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*[a-z0-9]$`), 3, 63}
	gsBucket       = shape{regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*[a-z0-9]$`), 3, 222}
	azureAccount   = shape{regexp.MustCompile(`^[a-z0-9]+$`), 3, 24}
	azureContainer = shape{regexp.MustCompile(`^([a-z0-9][a-z0-9-]*[a-z0-9]|\$root|\$web)$`), 3, 63}
	awsRegion      = shape{regexp.MustCompile(`^[a-z0-9-]+$`), 1, 40}
)

// A shape is what a name looks like. Its length is not for the pattern to count:
// that makes patterns of hundreds of parts, at each start of the program.
type shape struct {
	pattern     *regexp.Regexp
	least, most int
}

// MatchString says whether a name has the shape.
func (s shape) MatchString(name string) bool {
	return len(name) >= s.least && len(name) <= s.most && s.pattern.MatchString(name)
}

// open makes the place that a URL names. Its errors do not quote the URL, which may
// hold a secret.
func open(o Options) (place, error) {
	if filepath.IsAbs(o.URL) {
		return openFile(o, o.URL)
	}
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Fragment != "":
		return nil, errors.New("a URL with a #: written as %23 it is a part of the name")
	}
	switch u.Scheme {
	case "https", "http":
		return openHTTP(o, u)
	case "file":
		if u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Path == "" {
			return nil, errors.New("want a file as file:///path")
		}
		path := filepath.FromSlash(u.Path)
		if drive := strings.TrimPrefix(path, string(filepath.Separator)); filepath.VolumeName(drive) != "" {
			path = drive // file:///C:/path
		}
		return openFile(o, path)
	case "s3", "gs", "azblob":
		return openObject(o, u)
	}
	return nil, errors.New("want a URL that begins with https://, s3://, gs://, azblob:// or file://, or an absolute path")
}

func openFile(o Options, path string) (place, error) {
	if err := unused(o, "a file", "endpoint", "region", "anonymous", "header"); err != nil {
		return nil, err
	}
	return &file{path: path, max: o.MaxSize}, nil
}

// reserved are headers that would change what is asked for.
var reserved = []string{"Accept-Encoding", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range"}

func openHTTP(o Options, u *url.URL) (place, error) {
	if err := unused(o, "https", "endpoint", "region", "anonymous"); err != nil {
		return nil, err
	}
	if err := secure(o, u); err != nil {
		return nil, err
	}
	for name := range o.Header {
		if slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, name) }) {
			return nil, fmt.Errorf("the header %s is not to be set: it would change what is asked for", name)
		}
	}
	return &site{getter: newGetter(o, web.Follow), url: u, header: o.Header}, nil
}

func openObject(o Options, u *url.URL) (place, error) {
	not := []string{"header"}
	if u.Scheme != "s3" {
		not = append(not, "region")
	}
	if err := unused(o, u.Scheme+"://", not...); err != nil {
		return nil, err
	}
	endpoint, err := parseEndpoint(o)
	if err != nil {
		return nil, err
	}
	key := strings.TrimPrefix(u.Path, "/")
	switch {
	case u.User != nil:
		return nil, errors.New("no user in such a URL: the credentials are the agent's own")
	case u.Port() != "" || key == "" || strings.HasSuffix(key, "/"):
		return nil, fmt.Errorf("want %s", forms[u.Scheme])
	}
	g := newGetter(o, web.Never)
	switch u.Scheme {
	case "s3":
		return openS3(o, g, u, endpoint, key)
	case "gs":
		return openGCS(o, g, u, endpoint, key)
	}
	return openAzure(o, g, u, endpoint, key)
}

// forms are how the addresses of objects are written.
var forms = map[string]string{
	"s3":     "s3://bucket/key",
	"gs":     "gs://bucket/object",
	"azblob": "azblob://account/container/blob, with the account first",
}

// parseEndpoint returns nil if there is none.
func parseEndpoint(o Options) (*url.URL, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("endpoint: want https://host, and no user or query")
	}
	if err := secure(o, u); err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	return u, nil
}

func secure(o Options, u *url.URL) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("want https://host")
	case u.Scheme == "http" && !o.Insecure:
		return errors.New("http:// can be read and changed on its way: say insecure if it is meant")
	}
	return nil
}

// unused says which of the named options were set although there is no use for
// them.
func unused(o Options, what string, names ...string) error {
	set := map[string]bool{
		"endpoint": o.Endpoint != "", "region": o.Region != "", "anonymous": o.Anonymous, "header": len(o.Header) > 0,
	}
	for _, name := range names {
		if set[name] {
			return fmt.Errorf("%s is not for %s", name, what)
		}
	}
	return nil
}

// query checks that a URL has no other parameters than these.
func query(u *url.URL, allowed ...string) (url.Values, error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("its query is not a query")
	}
	for name := range values {
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("the only parameters of %s:// are %s", u.Scheme, strings.Join(allowed, " and "))
		}
	}
	return values, nil
}

// join appends segments to a URL's path. Each byte that RFC 3986 does not call
// unreserved is escaped, / excepted: the signature of S3 is over this form, and
// url.URL leaves more as it is.
func join(base *url.URL, segments ...string) *url.URL {
	u := *base
	for _, s := range segments {
		var escaped strings.Builder
		for _, c := range []byte(s) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
				escaped.WriteByte(c)
			default:
				fmt.Fprintf(&escaped, "%%%02X", c)
			}
		}
		raw := strings.TrimSuffix(u.EscapedPath(), "/") + "/" + escaped.String()
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+"/"+s, raw
	}
	return &u
}

// bare is a URL without what may be secret in it.
func bare(u *url.URL) string {
	b := *u
	b.User, b.RawQuery, b.ForceQuery, b.Fragment, b.RawFragment = nil, "", false, "", ""
	return b.String()
}
