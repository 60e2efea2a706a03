package ocidns

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// A credential signs requests, and knows where they go.
//
// Only this much is Oracle's library. Its client of the service returns when a context
// ends, and leaves a request behind that may still be sent: a swap would be told to be
// not applied, and then be.
type credential struct {
	signer   common.HTTPRequestSigner
	endpoint string // without the final slash
}

// byFile is the credential of a file. Where none is configured, it is looked for where
// the oci command line would.
func (c *Client) byFile() (*credential, error) {
	if c.cfg.ConfigFile == "" && c.cfg.Profile == "" && c.cfg.Passphrase.IsZero() {
		return c.newCredential(common.DefaultConfigProvider())
	}
	file, profile := cmp.Or(c.cfg.ConfigFile, "~/.oci/config"), cmp.Or(c.cfg.Profile, "DEFAULT")
	provider, err := common.ConfigurationProviderFromFileWithProfile(file, profile, c.cfg.Passphrase.Reveal())
	if err != nil {
		return nil, fmt.Errorf("credential: %s", line(err.Error()))
	}
	return c.newCredential(provider)
}

func (c *Client) newCredential(provider common.ConfigurationProvider) (*credential, error) {
	if ok, err := common.IsConfigurationProviderValid(provider); !ok {
		return nil, fmt.Errorf("credential: %s", line(err.Error()))
	}
	region, err := provider.Region()
	if err != nil {
		return nil, fmt.Errorf("credential: %s", line(err.Error()))
	}
	endpoint := c.cfg.Endpoint
	if endpoint == "" {
		region = cmp.Or(c.cfg.Region, region)
		endpoint = common.StringToRegion(region).EndpointForTemplate("dns", "https://dns.{region}.oci.{secondLevelDomain}")
	}
	return &credential{common.DefaultRequestSigner(provider), strings.TrimSuffix(endpoint, "/")}, nil
}

// credential gets that of the instance, unless it was got. The library takes no
// context for that, so whoever waits no longer leaves it behind: it ends by its own
// time-outs.
func (c *Client) credential(ctx context.Context) (*credential, error) {
	if cred := c.cred.Load(); cred != nil {
		return cred, nil
	}
	result := c.open.DoChan("", func() (any, error) {
		provider, err := auth.InstancePrincipalConfigurationProvider()
		if err != nil {
			return nil, err
		}
		cred, err := c.newCredential(provider)
		if err == nil {
			c.cred.Store(cred)
		}
		return cred, err
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, fmt.Errorf("no credential of the instance: %s", line(r.Err.Error()))
		}
		return r.Val.(*credential), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// sign adds what a request has to have. The principal of an instance gets a new token
// now and then to do so, for which the library takes no context either.
func (c *credential) sign(ctx context.Context, req *web.Request) error {
	r, err := http.NewRequest(req.Method, req.URL, bytes.NewReader(req.Body))
	if err != nil {
		return err
	}
	r.Header = req.Header.Clone() // which who waits no longer leaves behind
	signed := make(chan error, 1)
	go func() { signed <- c.signNow(r) }()
	select {
	case err = <-signed:
	case <-ctx.Done():
		return fmt.Errorf("not sent: %w", ctx.Err())
	}
	if err == nil {
		req.Header = r.Header
	}
	return err
}

func (c *credential) signNow(r *http.Request) error {
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	r.Host = r.URL.Host
	r.Header.Set("Host", r.URL.Host)
	if err := c.signer.Sign(r); err != nil {
		return fmt.Errorf("the request cannot be signed: %s", line(err.Error()))
	}
	r.Header.Del("Host")           // both are as they were signed
	r.Header.Del("Content-Length") // and net/http's to write
	return nil
}

// call makes one call within the budget and reads the answer into v; nil: it has no
// body. An *apiError is an answer of 4xx; every other one that is not what was asked
// for wraps web.ErrUncertain.
func (c *Client) call(ctx context.Context, method, path string, h http.Header, body, v any) (http.Header, error) {
	cred, err := c.credential(ctx)
	if err != nil {
		return nil, err
	}
	if h == nil {
		h = http.Header{}
	}
	h.Set("Accept", "application/json")
	req := web.Request{Method: method, URL: cred.endpoint + "/20180115" + path, Header: h}
	if body != nil {
		h.Set("Content-Type", "application/json")
		if req.Body, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	if err := c.budget.Wait(ctx); err != nil {
		return nil, err
	}
	if err := cred.sign(ctx, &req); err != nil {
		return nil, err
	}
	c.sent.Add(1)
	resp, err := c.http.Do(ctx, req)
	switch {
	case errors.Is(err, web.ErrTooLarge): // an answer that could not be taken in tells nothing
		return nil, fmt.Errorf("%w; %w", err, web.ErrUncertain)
	case err != nil:
		return nil, err
	case resp.Status == http.StatusTooManyRequests:
		after, _ := web.RetryAfter(resp.Header, time.Now())
		c.budget.Throttled(after)
		return resp.Header, readError(resp)
	case resp.Status >= 400 && resp.Status < 500:
		return resp.Header, readError(resp)
	case resp.Status < 200 || resp.Status >= 300:
		return nil, fmt.Errorf("%w; %w", readError(resp), web.ErrUncertain)
	case v != nil && json.Unmarshal(resp.Body, v) != nil:
		return nil, fmt.Errorf("%d with a body that is not the API's: is this its address? %w", resp.Status, web.ErrUncertain)
	}
	return resp.Header, nil
}

// A zone is one, as the API describes it.
type zone struct {
	Name     string `json:"name"`
	ZoneType string `json:"zoneType"`
	Scope    string `json:"scope"`
}

// A recordItem is a record, or in a PATCH an operation on one, or on all of a set.
type recordItem struct {
	Domain    string `json:"domain"`
	Rtype     string `json:"rtype"`
	Rdata     string `json:"rdata,omitempty"`
	TTL       int    `json:"ttl,omitempty"`
	Operation string `json:"operation,omitempty"`
}

// A collection is the records of a set.
type collection struct {
	Items []recordItem `json:"items"`
}

// path is that of the zone, or of what is below it.
func (c *Client) path(below string, query url.Values) string {
	if query == nil {
		query = url.Values{}
	}
	id := c.cfg.ZoneID
	if id == "" {
		id = c.zone
		query.Set("scope", "GLOBAL") // a name may be that of a private zone as well
	}
	path := "/zones/" + url.PathEscape(id) + below
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

func (c *Client) setPath(name string, query url.Values) string {
	return c.path("/records/"+url.PathEscape(name)+"/"+typeTXT, query)
}

// read reads the record set of a name.
func (c *Client) read(ctx context.Context, name string) (rrset, error) {
	var items []recordItem
	etag := ""
	query := url.Values{}
	for {
		var page collection
		h, err := c.call(ctx, http.MethodGet, c.setPath(name, query), nil, nil, &page)
		if err != nil {
			return c.absent(ctx, h, err)
		}
		if items != nil && h.Get("Etag") != etag {
			return rrset{}, errors.New("the record set was changed while its pages were read")
		}
		items, etag = append(items, page.Items...), h.Get("Etag")
		next := h.Get("Opc-Next-Page")
		if next == "" {
			return newRRset(h, items)
		}
		query.Set("page", next)
	}
}

// absent is what an error of a read means: nothing is there, if the zone is.
func (c *Client) absent(ctx context.Context, h http.Header, err error) (rrset, error) {
	var answer *apiError
	if !errors.As(err, &answer) || answer.status != http.StatusNotFound {
		return rrset{}, c.explain(err)
	}
	if _, err := c.getZone(ctx); err != nil {
		return rrset{}, err
	}
	return rrset{at: timeOf(h)}, nil
}

func (c *Client) getZone(ctx context.Context) (zone, error) {
	var z zone
	_, err := c.call(ctx, http.MethodGet, c.path("", nil), nil, nil, &z)
	return z, c.explain(err)
}

// write makes values the record set of a name, if that is what it was.
func (c *Client) write(ctx context.Context, name string, was version, values []string) (rrset, error) {
	var shown collection
	if was.ETag != "" && len(values) == 0 {
		h, err := c.call(ctx, http.MethodDelete, c.setPath(name, nil), http.Header{"If-Match": {was.ETag}}, nil, nil)
		return rrset{at: timeOf(h)}, err
	}
	method, condition, operation := http.MethodPut, http.Header{"If-Match": {was.ETag}}, ""
	var request collection
	if was.ETag == "" {
		method, condition, operation = http.MethodPatch, nil, "ADD"
		request.Items = append(request.Items, recordItem{Domain: name, Rtype: typeTXT, Operation: "PROHIBIT"})
	}
	for _, value := range values {
		request.Items = append(request.Items, recordItem{Domain: name, Rtype: typeTXT, Rdata: value, TTL: int(c.cfg.TTL / time.Second), Operation: operation})
	}
	h, err := c.call(ctx, method, c.setPath(name, nil), condition, request, &shown)
	if err != nil {
		return rrset{}, err
	}
	set, err := newRRset(h, shown.Items)
	if err == nil && len(set.values) == 0 {
		err = errors.New("an answer that shows no record")
	}
	if err != nil { // it proves nothing
		return rrset{}, fmt.Errorf("%w: %w", err, web.ErrUncertain)
	}
	return set, nil
}

// judge is what an error of a write means for the swap.
func (c *Client) judge(ctx context.Context, name string, was version, err error) error {
	if errors.Is(err, web.ErrUncertain) {
		return fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	var answer *apiError
	if !errors.As(err, &answer) {
		return err
	}
	if answer.code == "" && answer.status != http.StatusTooManyRequests || answer.status == http.StatusRequestTimeout {
		// Somebody in between who refuses may have refused the service's answer.
		return fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	switch answer.status {
	case http.StatusPreconditionFailed, http.StatusConflict:
		return fmt.Errorf("%w: %w", register.ErrConflict, answer)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return c.explain(answer)
	}
	now, err := c.read(ctx, name)
	switch {
	case errors.Is(err, register.ErrRefused):
		return err // the zone is not there, or not for this credential
	case err != nil:
		return fmt.Errorf("%w; and reading the record again failed: %w", answer, err)
	case now.etag != was.ETag:
		return fmt.Errorf("%w: %w, and another one is there now", register.ErrConflict, answer)
	}
	return c.explain(answer)
}
