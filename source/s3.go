package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/solotick/solotick/internal/web"
)

// firstRegion is asked if nobody has said where a bucket is. It knows of all
// buckets of its partition.
const firstRegion = "us-east-1"

// emptyHash is the SHA-256 of no body, which is part of what is signed.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// An s3 is an object in Amazon S3, or in what speaks as it does. AWS_ENDPOINT_URL
// is not heeded: which server is asked stands in the options.
type s3 struct {
	getter
	bucket, key, version string
	endpoint             *url.URL // nil: Amazon's
	anonymous            bool

	region string      // empty: the configuration's
	config *aws.Config // nil: to be loaded
}

func openS3(o Options, g getter, u, endpoint *url.URL, key string) (place, error) {
	if !s3Bucket.MatchString(u.Host) {
		return nil, fmt.Errorf("want %s: that is no name of a bucket", forms["s3"])
	}
	q, err := query(u, "versionId")
	if err != nil {
		return nil, err
	}
	if o.Region != "" && !awsRegion.MatchString(o.Region) {
		return nil, errors.New("region: want one as eu-central-1")
	}
	return &s3{
		getter: g, bucket: u.Host, key: key, version: q.Get("versionId"), endpoint: endpoint,
		anonymous: o.Anonymous, region: o.Region,
	}, nil
}

func (p *s3) String() string { return join(&url.URL{Scheme: "s3", Host: p.bucket}, p.key).String() }

// read asks a second time if S3 says that the bucket is in another region.
func (p *s3) read(ctx context.Context, suffix string, since validator) (reading, error) {
	for told := false; ; told = true {
		req, err := p.request(ctx, suffix, since)
		if err != nil {
			return reading{}, err
		}
		resp, err := p.get(ctx, req.URL, req.Header)
		if err != nil {
			return reading{}, err
		}
		if resp.Status == http.StatusOK || resp.Status == http.StatusNotModified {
			return p.reading(resp, since)
		}
		complaint := complained(resp)
		if region := regionIn(resp, complaint); !told && region != "" && region != p.region {
			p.region = region
			continue
		}
		return reading{}, p.refused(resp, complaint, req)
	}
}

func (p *s3) request(ctx context.Context, suffix string, since validator) (*http.Request, error) {
	credentials, err := p.credentials(ctx)
	if err != nil {
		return nil, err
	}
	u := p.address(suffix)
	if p.version != "" && suffix == "" {
		u.RawQuery = url.Values{"versionId": {p.version}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("its name makes no URL")
	}
	since.condition(req.Header)
	if p.anonymous {
		return req, nil
	}
	req.Header.Set("X-Amz-Content-Sha256", emptyHash)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }) // S3 signs the path as it is sent
	if err := signer.SignHTTP(ctx, credentials, req, emptyHash, "s3", p.region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign: %s", line(err.Error()))
	}
	return req, nil
}

// address is that of the object in the region.
func (p *s3) address(suffix string) *url.URL {
	if p.endpoint != nil {
		return join(p.endpoint, p.bucket, p.key+suffix)
	}
	domain := "amazonaws.com"
	switch {
	case strings.HasPrefix(p.region, "cn-"):
		domain = "amazonaws.com.cn"
	case strings.HasPrefix(p.region, "eusc-"):
		domain = "amazonaws.eu"
	}
	host := "s3." + p.region + "." + domain
	if strings.Contains(p.bucket, ".") { // Amazon's certificates are for one label
		return join(&url.URL{Scheme: "https", Host: host}, p.bucket, p.key+suffix)
	}
	return join(&url.URL{Scheme: "https", Host: p.bucket + "." + host}, p.key+suffix)
}

// credentials also sees to it that there is a region.
func (p *s3) credentials(ctx context.Context) (aws.Credentials, error) {
	if p.anonymous {
		p.region = cmp.Or(p.region, firstRegion)
		return aws.Credentials{}, nil
	}
	if p.config == nil {
		loaded, err := config.LoadDefaultConfig(ctx, config.WithDefaultRegion(cmp.Or(p.region, firstRegion)))
		if err != nil {
			return aws.Credentials{}, fmt.Errorf("the configuration of AWS: %w", brief(ctx, err))
		}
		p.config = &loaded
		p.region = cmp.Or(p.region, loaded.Region)
	}
	if !awsRegion.MatchString(p.region) {
		return aws.Credentials{}, errors.New("the configuration of AWS names a region that is none")
	}
	c, err := p.config.Credentials.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("no credentials of AWS: %w", brief(ctx, err))
	}
	return c, nil
}

// expecting is how a wrong region is told where there is no element for it.
var expecting = regexp.MustCompile(`expecting ['"]([a-z0-9-]+)['"]`)

// regionIn is the region that an answer points to, if it does.
func regionIn(resp *web.Response, c complaint) string {
	switch resp.Status {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest:
	default:
		return ""
	}
	region := cmp.Or(resp.Header.Get("X-Amz-Bucket-Region"), c.Region)
	if said := expecting.FindStringSubmatch(c.Message); region == "" && said != nil {
		region = said[1]
	}
	if !awsRegion.MatchString(region) { // it becomes part of a host name
		return ""
	}
	return region
}

// expired are the complaints about credentials that S3 does not answer with 403.
var expired = []string{"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}

func (p *s3) refused(resp *web.Response, c complaint, req *http.Request) error {
	said := c.sentence(req.URL, req.Header)
	switch {
	case c.Code == "RequestTimeTooSkewed":
		said = "the clocks of this machine and of the service are too far apart: here it is " +
			time.Now().UTC().Format(http.TimeFormat) + ", there " + cmp.Or(line(resp.Header.Get("Date")), "another time")
	case c.Code == "AccessDenied" && !p.anonymous:
		said += "; S3 says so also of what is not there, to who may not list the bucket"
	}
	err := refused(resp, said)
	if slices.Contains(expired, c.Code) {
		err = fmt.Errorf("%w: %w", ErrDenied, err)
	}
	if errors.Is(err, ErrDenied) {
		p.config = nil // other credentials may have been laid down meanwhile
	}
	return err
}
