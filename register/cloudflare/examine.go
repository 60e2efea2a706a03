package cloudflare

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/solotick/solotick/register"
)

// Token is how to make an API token that may do what agents need in a zone and
// nothing else, for people.
func Token(zone string) string {
	zone = strings.TrimSuffix(zone, ".")
	return `# An API token for agents whose records are in ` + zone + `, in Cloudflare's dashboard:
# My Profile, API Tokens, Create Token, Create Custom Token. As a token of the
# account: Manage Account, Account API Tokens.
#
#   Permissions      Zone   DNS    Edit    read and write records
#                    Zone   Zone   Read    find the zone's id; not needed if dns.zone_id is set
#   Zone Resources   Include   Specific zone   ` + zone + `
#
# Where agents have fixed public addresses, set Client IP Address Filtering as well.
# Cloudflare knows no token for single records: whoever has this one can write all
# records of ` + zone + `. So give the agents' records a zone of their own.
#
# To see that it is valid (one of the account: /accounts/ACCOUNT_ID/tokens/verify):
curl -H "Authorization: Bearer $CLOUDFLARE_TOKEN" ` + endpoint + `/user/tokens/verify
`
}

// Examine tells whether the token is valid, whether the zone is found and written,
// and what is at each name. That the token may write, and that Cloudflare refuses a
// batch with the delete of an id that is gone, is found out by such a batch: the id
// is made up, so that there is nothing to be changed.
func (c *Client) Examine(ctx context.Context, names ...string) []register.Finding {
	all, ok := c.examine(ctx)
	if !ok {
		return all
	}
	found := make([]register.Finding, len(names))
	var wg sync.WaitGroup
	for i, name := range names { // together, so that they share a list
		wg.Go(func() { found[i] = c.examineName(ctx, name) })
	}
	wg.Wait()
	return append(all, found...)
}

// examine is what has to do with no name; false: it is of no use to go on.
func (c *Client) examine(ctx context.Context) (all []register.Finding, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	token := c.examineToken(ctx)
	path, err := c.records(ctx)
	if err != nil {
		return []register.Finding{token, finding("zone", "", c.fail(err))}, false
	}
	if !token.OK {
		// One of an account is not known as a user's. Whether it is good for the
		// records matters.
		if _, err := c.ask(ctx, path, nil); err == nil {
			token = finding("token", "the token may read the zone's records; it is none of a user's, so that no more is known of it", nil)
		}
	}
	return []register.Finding{token, finding("zone", "the records of "+c.zone+" are at "+path, nil), c.examineWrite(ctx, path)}, true
}

func (c *Client) fail(err error) error { return fmt.Errorf("cloudflare: %w", err) }

func (c *Client) examineToken(ctx context.Context) register.Finding {
	a, err := c.ask(ctx, "/user/tokens/verify", nil)
	if err != nil {
		return finding("token", "", c.fail(err))
	}
	var token struct {
		Status  string `json:"status"`
		Expires string `json:"expires_on"`
	}
	if err := json.Unmarshal(a.result, &token); err != nil || token.Status != "active" {
		return register.Finding{
			Check: "token", Text: fmt.Sprintf("the token's status is %q", c.plain(token.Status)),
			Do: "make a new one: solotick keygen policy tells how",
		}
	}
	text := "the token is valid"
	if token.Expires != "" {
		text += " until " + c.plain(token.Expires)
	}
	return finding("token", text, nil)
}

// examineWrite sends a batch that deletes a record that is not there.
func (c *Client) examineWrite(ctx context.Context, path string) register.Finding {
	if err := c.budget.Wait(ctx); err != nil {
		return finding("write", "", c.fail(err))
	}
	id := make([]byte, 16)
	rand.Read(id) // never fails
	a, err := c.call(ctx, http.MethodPost, path+"/batch", nil, request{Deletes: []entry{{ID: hex.EncodeToString(id)}}})
	if err != nil {
		return finding("write", "", c.fail(err))
	}
	switch {
	case a.ok:
		return register.Finding{
			Check: "write", Text: "the token may write; but Cloudflare took a batch that deletes a record that is not there, so that only the guard keeps two writes apart",
			Do: "tell the makers of Solotick; solotick conformance shows whether the guard holds",
		}
	case a.known && a.has(81044):
		return finding("write", "the token may write, and Cloudflare refused a batch that deletes a record that is not there", nil)
	case a.known || a.status == http.StatusTooManyRequests:
		_, err = c.refusal(a)
	default:
		err = fmt.Errorf("the answer was %s", c.said(a))
	}
	return finding("write", "", c.fail(err))
}

func (c *Client) examineName(ctx context.Context, name string) register.Finding {
	r, err := c.record(name)
	if err != nil {
		return finding("name", "", err)
	}
	s, err := r.Load(ctx)
	if err != nil {
		return finding("read", "", err)
	}
	v, err := versionOf(s)
	if err != nil {
		return finding("read", "", err)
	}
	text := fmt.Sprintf("%s can be read, and holds %d TXT records", r.name, len(s.Texts))
	switch {
	case len(s.Texts) == 0 && len(v.Guards) == 0:
		text = r.name + " can be read, and is not there yet"
	case len(v.Guards) == 0:
		text += "; it has no guard yet, which the first write makes"
	}
	return finding("read", text, nil)
}

// finding is one that is well, or else its error and remedy.
func finding(check, text string, err error) register.Finding {
	if err == nil {
		return register.Finding{Check: check, OK: true, Text: text}
	}
	do, ok := register.Remedy(err)
	if !ok && errors.Is(err, context.DeadlineExceeded) {
		do = "try again"
	}
	return register.Finding{Check: check, Text: err.Error(), Do: do}
}
