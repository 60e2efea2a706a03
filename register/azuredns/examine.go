package azuredns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns"

	"github.com/solotick/solotick/register"
)

// Scope is the id of the record set of the TXT records at a name relative to the
// zone, which roles and locks are given for.
func scope(subscription, group, zone, relative string) string {
	return "/subscriptions/" + subscription + "/resourceGroups/" + group + "/providers/Microsoft.Network/dnsZones/" + zone + "/TXT/" + relative
}

// grant is the command that lets the client's identity hold the record.
func (r *record) grant() string {
	c := r.client
	return "az role assignment create --assignee " + cmp.Or(c.clientID, "CLIENT_ID") + ` --role "DNS Zone Contributor" --scope ` +
		scope(c.subscription, c.group, c.zone, r.relative)
}

// roleName is that of the role that Role makes.
const roleName = "Solotick record"

// Role returns the commands of the Azure CLI that let an identity hold the records
// at names, which are absolute and in the zone, and nothing else: a role with three
// actions, and its assignment at each record set.
func Role(subscription, group, zone string, names []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# The client id of the application, or the principal id of the managed identity.
ASSIGNEE=...

# A role that may do no more than hold TXT records. Where it is in place already, or
# custom roles may not be made, go on; "DNS Zone Contributor" serves as well.
az role definition create --role-definition '{
  "Name": %q,
  "Description": "Reads, writes and deletes TXT record sets.",
  "Actions": ["Microsoft.Network/dnsZones/TXT/read", "Microsoft.Network/dnsZones/TXT/write", "Microsoft.Network/dnsZones/TXT/delete"],
  "AssignableScopes": ["/subscriptions/%s/resourceGroups/%s"]
}'
`, roleName, subscription, group)
	zone = strings.ToLower(strings.TrimSuffix(zone, "."))
	for _, name := range names {
		relative := "@"
		if name = strings.ToLower(strings.TrimSuffix(name, ".")); name != zone {
			relative = strings.TrimSuffix(name, "."+zone)
		}
		fmt.Fprintf(&b, "\n# %s\naz role assignment create --assignee \"$ASSIGNEE\" --role %q \\\n  --scope %q\n", name, roleName, scope(subscription, group, zone, relative))
	}
	return b.String()
}

// noETag is one that no record set has.
const noETag = "00000000-0000-0000-0000-000000000000"

// Examine tells whether there is a token, and of each name whether its record set
// can be read and written. That it can be written is found out by a write on the
// condition of an ETag that no record set has, which Azure refuses as it would any
// other that is not current: nothing is changed.
func (c *Client) Examine(ctx context.Context, names ...string) []register.Finding {
	tokenCtx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if _, err := c.credential.GetToken(tokenCtx, policy.TokenRequestOptions{Scopes: []string{c.scope}, EnableCAE: true}); err != nil {
		return []register.Finding{finding("credential", "", c.noToken(tokenCtx, err))}
	}
	all := []register.Finding{finding("credential", "Microsoft Entra gives a token", nil)}
	for _, name := range names {
		r, err := c.record(name)
		if err != nil {
			all = append(all, finding("name", "", err))
			continue
		}
		s, v, err := r.get(ctx)
		if err != nil {
			all = append(all, finding("read", "", r.fail("load", err)))
			continue
		}
		there := fmt.Sprintf("%s can be read, and holds %d TXT records", r.name, len(s.Texts))
		if v.ETag == "" {
			there = r.name + " can be read, and is not there yet"
			err = r.alias(ctx)
		}
		all = append(all, finding("read", there, nil))
		if err != nil {
			all = append(all, finding("write", "", r.fail("write", err)))
			continue
		}
		all = append(all, r.writable(ctx, v))
	}
	return all
}

// alias is the refusal that a write would meet if a CNAME is at the name. The
// narrowest role does not let anybody look, and then nothing is known.
func (r *record) alias(ctx context.Context) error {
	c := r.client
	ctx, cancel, n := c.within(ctx)
	defer cancel()
	if err := c.turn(ctx, c.reads); err != nil {
		return nil
	}
	if _, err := c.sets.Get(ctx, c.group, c.zone, r.relative, armdns.RecordTypeCNAME, nil); err != nil {
		return nil
	}
	n.status, n.code, n.message = http.StatusConflict, "Conflict", "a CNAME is there"
	return r.refusal(n, c.reads.Throttled)
}

// writable finds out whether the record set may be written.
func (r *record) writable(ctx context.Context, v *version) register.Finding {
	values := v.Values // as they are, should Azure ever take no notice of the ETag
	if len(values) == 0 {
		values = [][]string{{"solotick"}}
	}
	_, err := r.swap(ctx, &version{ETag: noETag, Metadata: v.Metadata}, values)
	switch {
	case errors.Is(err, register.ErrConflict):
		return finding("write", r.name+" can be written: a write with an ETag that is not current was refused as a conflict", nil)
	case err == nil:
		err = errors.New("a write with an ETag that is not current was accepted: this is no register")
	}
	return finding("write", "", r.fail("write", err))
}

// finding is one that is well, or else its error and remedy.
func finding(check, text string, err error) register.Finding {
	if err == nil {
		return register.Finding{Check: check, OK: true, Text: text}
	}
	do, _ := register.Remedy(err)
	return register.Finding{Check: check, Text: err.Error(), Do: do}
}
