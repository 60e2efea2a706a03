package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/solotick/solotick/internal/web"
)

// azureVersion is the version of the service that is spoken to. Tokens of
// Microsoft Entra need 2017-11-09 or later.
const azureVersion = "2023-11-03"

// An azure is a blob in Azure Blob Storage.
type azure struct {
	getter
	account, container, blob string
	endpoint                 *url.URL   // of the account
	query                    url.Values // a shared access signature, or a version
	token                    bool       // is needed
	credential               azcore.TokenCredential
}

func openAzure(o Options, g getter, u, endpoint *url.URL, path string) (place, error) {
	container, blob, ok := strings.Cut(path, "/")
	if !ok || !azureAccount.MatchString(u.Host) || !azureContainer.MatchString(container) {
		return nil, fmt.Errorf("want %s", forms["azblob"])
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("its query is not a query")
	}
	if signed := q.Has("sig"); signed && o.Anonymous {
		return nil, errors.New("anonymous is not for a shared access signature")
	} else if !signed {
		if q, err = query(u, "versionid", "snapshot"); err != nil {
			return nil, fmt.Errorf("%w, or those of a shared access signature", err)
		}
	}
	if endpoint == nil {
		endpoint = &url.URL{Scheme: "https", Host: u.Host + ".blob.core.windows.net"}
	}
	return &azure{
		getter: g, account: u.Host, container: container, blob: blob, endpoint: endpoint, query: q,
		token: !o.Anonymous && !q.Has("sig"),
	}, nil
}

func (p *azure) String() string {
	return join(&url.URL{Scheme: "azblob", Host: p.account}, p.container, p.blob).String()
}

func (p *azure) read(ctx context.Context, suffix string, since validator) (reading, error) {
	u := join(p.endpoint, p.container, p.blob+suffix)
	q := url.Values{}
	for name, values := range p.query {
		if suffix == "" || name != "versionid" && name != "snapshot" {
			q[name] = values
		}
	}
	u.RawQuery = q.Encode()
	h := http.Header{}
	h.Set("X-Ms-Version", azureVersion)
	h.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
	since.condition(h)
	if p.token {
		token, err := p.bearer(ctx)
		if err != nil {
			return reading{}, fmt.Errorf("no credentials of Azure: %w", brief(ctx, err))
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
	return reading{}, p.refused(resp, u, h)
}

func (p *azure) bearer(ctx context.Context) (string, error) {
	if p.credential == nil {
		found, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return "", err
		}
		p.credential = found
	}
	// It keeps the token, and gets another one before that expires.
	token, err := p.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
	return token.Token, err
}

func (p *azure) refused(resp *web.Response, u *url.URL, h http.Header) error {
	c := complained(resp)
	// The rest of the message is the number of the request and its time.
	c.Message, _, _ = strings.Cut(c.Message, "\n")
	if c.Code == "" {
		c.Code = line(resp.Header.Get("X-Ms-Error-Code"))
	}
	err := refused(resp, c.sentence(u, h))
	// An account without public access answers so to who brings no token.
	if c.Code == "PublicAccessNotPermitted" {
		err = fmt.Errorf("%w: %w", ErrDenied, err)
	}
	if errors.Is(err, ErrDenied) {
		p.credential = nil // others may have been laid down meanwhile
	}
	return err
}
