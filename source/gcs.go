package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/sync/singleflight"
)

// readOnly is all that a token for Google Cloud Storage needs.
const readOnly = "https://www.googleapis.com/auth/devstorage.read_only"

// A gcs is an object in Google Cloud Storage, read through its XML API, whose GET
// has conditions and takes the bucket and the object in the path.
type gcs struct {
	getter
	bucket, object, generation string
	endpoint                   *url.URL
	token                      *googleToken // nil: anonymous
}

func openGCS(o Options, g getter, u, endpoint *url.URL, object string) (place, error) {
	if !gsBucket.MatchString(u.Host) {
		return nil, fmt.Errorf("want %s: that is no name of a bucket", forms["gs"])
	}
	q, err := query(u, "generation")
	if err != nil {
		return nil, err
	}
	p := &gcs{getter: g, bucket: u.Host, object: object, generation: q.Get("generation"), endpoint: endpoint}
	if endpoint == nil {
		p.endpoint = &url.URL{Scheme: "https", Host: "storage.googleapis.com"}
	}
	if !o.Anonymous {
		p.token = &googleToken{timeout: o.Timeout}
	}
	return p, nil
}

func (p *gcs) String() string { return join(&url.URL{Scheme: "gs", Host: p.bucket}, p.object).String() }

func (p *gcs) read(ctx context.Context, suffix string, since validator) (reading, error) {
	u := join(p.endpoint, p.bucket, p.object+suffix)
	if p.generation != "" && suffix == "" {
		u.RawQuery = url.Values{"generation": {p.generation}}.Encode()
	}
	h := http.Header{"Cache-Control": {"no-cache"}}
	since.condition(h)
	if p.token != nil {
		token, err := p.token.get(ctx)
		if err != nil {
			return reading{}, fmt.Errorf("no credentials of Google: %w", brief(ctx, err))
		}
		h.Set("Authorization", "Bearer "+token)
	}
	resp, err := p.get(ctx, u, h)
	if err != nil {
		return reading{}, err
	}
	if resp.Status == http.StatusOK || resp.Status == http.StatusNotModified {
		return p.reading(resp, since)
	}
	err = refused(resp, complained(resp).sentence(u, h))
	if errors.Is(err, ErrDenied) && p.token != nil {
		p.token = &googleToken{timeout: p.token.timeout} // others may have been laid down meanwhile
	}
	return reading{}, err
}

// A googleToken finds the default credentials and keeps the token that they give.
// The library takes no context for that, so whoever waits no longer leaves it
// behind: it ends by its own time-outs, of seconds.
type googleToken struct {
	timeout time.Duration
	group   singleflight.Group
	source  oauth2.TokenSource // set and used within the group
}

func (t *googleToken) get(ctx context.Context) (string, error) {
	result := t.group.DoChan("", func() (any, error) {
		if t.source == nil {
			client := &http.Client{Timeout: t.timeout}
			found, err := google.FindDefaultCredentials(context.WithValue(context.Background(), oauth2.HTTPClient, client), readOnly)
			if err != nil {
				return "", err
			}
			t.source = oauth2.ReuseTokenSource(nil, found.TokenSource)
		}
		token, err := t.source.Token()
		if err != nil {
			return "", err
		}
		return token.AccessToken, nil
	})
	select {
	case r := <-result:
		return r.Val.(string), r.Err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
