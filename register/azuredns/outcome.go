package azuredns

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

type callKey struct{}

// A call is one operation's only request, and what became of it. The library's own
// errors do not tell whether a request was sent.
type call struct {
	client        *Client
	sent          bool
	token         string
	err           error // no answer
	status        int
	date          time.Time
	retryAfter    time.Duration
	code, message string // of an answer that refuses
}

// read notes what matters of an answer.
func (n *call) read(resp *http.Response) {
	n.status = resp.StatusCode
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		n.date = at
	}
	n.retryAfter, _ = web.RetryAfter(resp.Header, time.Now())
	if n.status < 400 {
		return
	}
	body, _ := io.ReadAll(resp.Body) // it is in memory
	resp.Body = io.NopCloser(bytes.NewReader(body))
	// Azure DNS has code and message at the top, Resource Manager within "error".
	type said struct{ Code, Message string }
	var all struct {
		said
		Error said
	}
	if json.Unmarshal(body, &all) != nil {
		all.said, all.Error = said{}, said{}
	}
	n.code = cmp.Or(all.Error.Code, all.Code, resp.Header.Get("X-Ms-Error-Code"))
	n.message = line(cmp.Or(all.Error.Message, all.Message))
	if n.token != "" && strings.Contains(n.message, n.token) {
		n.message = ""
	}
}

// absent says that Azure DNS has no record set at the name. Where the zone or the
// group is missing it is another code, see refusal.
func (n *call) absent() bool {
	return n.status == http.StatusNotFound && (n.code == "NotFound" || n.code == "ResourceNotFound")
}

func (n *call) String() string {
	text := strconv.Itoa(n.status)
	if n.code != "" {
		text += " " + n.code
	}
	if n.message != "" {
		text += ": " + n.message
	}
	return text
}

// between says that an answer is not known to be Azure's own: whoever is in between
// and refuses may have refused what Azure has answered.
func (n *call) between() bool {
	return n.code == "" && n.status >= 400 && n.status < 500 && n.status != http.StatusTooManyRequests && n.status != http.StatusUnauthorized
}

// outcome is the error of a swap that did not plainly succeed.
//
// What is documented: 412 for an ETag that is not the set's, or a set that is
// there; 204 for a set that was to be deleted and is not there; 429 for too many
// requests. Every other 4xx of Azure's own but 408 is a refusal, by which nothing was
// applied.
func (r *record) outcome(ctx context.Context, n *call, was *version, err error) error {
	switch {
	case n.err != nil && errors.Is(n.err, web.ErrUncertain):
		return fmt.Errorf("%w: %w", register.ErrUncertain, n.err)
	case n.err != nil, n.status == 0:
		return r.unread(ctx, n, err)
	case n.between():
		return fmt.Errorf("%w: answered %s", register.ErrUncertain, n)
	case n.status == http.StatusPreconditionFailed:
		return fmt.Errorf("%w (%d %s)", register.ErrConflict, n.status, n.code)
	case n.status == http.StatusNoContent, n.absent() && was.ETag != "":
		return fmt.Errorf("%w (%d: the record set is gone)", register.ErrConflict, n.status)
	case n.status >= 400 && n.status < 500 && n.status != http.StatusRequestTimeout:
		return r.refusal(n, r.client.writes.Throttled)
	case n.status == http.StatusOK, n.status == http.StatusCreated:
		return fmt.Errorf("%w: %d, and an answer that cannot be read", register.ErrUncertain, n.status)
	}
	return fmt.Errorf("%w: answered %s", register.ErrUncertain, n)
}

// unread is the error of a read, and of any request that was not sent.
func (r *record) unread(ctx context.Context, n *call, err error) error {
	switch {
	case n.err != nil:
		return n.err
	case !n.sent:
		return r.client.noToken(ctx, err)
	case n.status >= 400 && n.status < 500 && !n.between():
		return r.refusal(n, r.client.reads.Throttled)
	case n.status == http.StatusOK:
		return fmt.Errorf("%d, and an answer that cannot be read", n.status)
	}
	return fmt.Errorf("answered %s", n)
}

// refusal is the error of an answer by which nothing was applied.
func (r *record) refusal(n *call, throttled func(time.Duration) time.Duration) error {
	if n.status == http.StatusTooManyRequests {
		throttled(n.retryAfter)
		return fmt.Errorf("%w (%s)", register.ErrThrottled, n)
	}
	do, config := r.remedy(n)
	if do == "" {
		if n.status == http.StatusConflict { // another operation on the set is under way
			return fmt.Errorf("not applied (%s)", n)
		}
		return fmt.Errorf("%w: %s", register.ErrRefused, n)
	}
	return &register.Problem{Err: fmt.Errorf("%w: %s", register.ErrRefused, n), Do: do, Config: config}
}

// remedy is what to do about a refusal, and whether the mistake is in the
// configuration.
func (r *record) remedy(n *call) (do string, config bool) {
	c := r.client
	switch n.code {
	case "ParentResourceNotFound":
		return "there is no public zone " + c.zone + " in this resource group (a private one is no register): " +
			"az network dns zone list --query '[].[name,resourceGroup]' -o table", true
	case "ResourceGroupNotFound":
		return "there is no resource group " + c.group + " in the subscription: az network dns zone list --query '[].[name,resourceGroup]' -o table", true
	case "SubscriptionNotFound", "InvalidSubscriptionId":
		return "the id of the subscription is wrong, or it is in another tenant or cloud: az account list -o table", true
	case "InvalidAuthenticationTokenTenant":
		return "the identity is of another tenant than the subscription: az account show --query tenantId tells the one to use", true
	case "ScopeLocked":
		return "a lock holds the record set, its zone, group or subscription: az lock list --resource-group " + c.group + ", and az lock delete", false
	case "MissingSubscriptionRegistration":
		return "az provider register --namespace Microsoft.Network", false
	case "RequestDisallowedByPolicy":
		return "a policy of the subscription forbids it: whoever administers it can exempt the zone", false
	case "ReadOnlyDisabledSubscription":
		return "the subscription is disabled: whoever pays for it can enable it again", false
	}
	switch {
	case n.status == http.StatusUnauthorized:
		return "Azure does not take the token: check that tenant, subscription and cloud belong together, and the clock (chronyc tracking)", false
	case n.status == http.StatusForbidden:
		return "grant the identity its role at this record set; it takes some minutes to work: " + r.grant(), false
	case n.status == http.StatusConflict && strings.Contains(n.message, "CNAME"):
		return "a CNAME is at " + r.name + ", beside which DNS allows nothing: use another name, or delete it: az network dns record-set cname delete -g " +
			c.group + " -z " + c.zone + " -n " + r.relative, true
	case n.status == http.StatusNotFound:
		return "check subscription, resource group and zone: az network dns zone show -g " + c.group + " -n " + c.zone, true
	}
	return "", false
}
