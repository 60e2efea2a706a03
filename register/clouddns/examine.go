package clouddns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// permissions are what the registers need of a zone. A Change that deletes and adds
// one set counts as an update of it.
var permissions = []string{
	"dns.changes.create",
	"dns.resourceRecordSets.create",
	"dns.resourceRecordSets.delete",
	"dns.resourceRecordSets.list",
	"dns.resourceRecordSets.update",
}

// Role is the least role that the registers need, and how to grant it for a zone of
// project, for people: a file that gcloud takes, with the commands in comments.
// Google knows no role for single record names: what holds it may change every
// record of the zone.
func Role(project string) string {
	project = cmp.Or(project, "PROJECT")
	var b strings.Builder
	fmt.Fprintf(&b, `# A role of Google Cloud for Solotick. It is for a whole zone, since there is none for single
# records: give the records a zone of their own. Save this as role.yaml, and then:
#   gcloud iam roles create solotick --project=%[1]s --file=role.yaml
#   gcloud iam service-accounts create solotick --project=%[1]s
#   gcloud dns managed-zones get-iam-policy ZONE --project=%[1]s --format=json > policy.json
# add to its bindings
#   {"role": "projects/%[1]s/roles/solotick", "members": ["serviceAccount:solotick@%[1]s.iam.gserviceaccount.com"]}
# and set it:
#   gcloud dns managed-zones set-iam-policy ZONE --project=%[1]s --policy-file=policy.json
# Without managed_zone in the configuration the zone is looked for, which takes dns.managedZones.list
# on the project; dns.managedZones.get is for solotick doctor.
title: Solotick
description: Reads and swaps the TXT records by which agents agree
stage: GA
includedPermissions:
`, project)
	all := append(slices.Clone(permissions), "dns.managedZones.get", "dns.managedZones.list")
	slices.Sort(all)
	for _, permission := range all {
		b.WriteString("- " + permission + "\n")
	}
	return b.String()
}

// Examine looks at what the registers of names need, from the credential to the
// records, and stops where nothing more can be found out. It changes nothing.
func (c *Client) Examine(ctx context.Context, names ...string) []register.Finding {
	var all []register.Finding
	good := func(check, format string, args ...any) {
		all = append(all, register.Finding{Check: check, OK: true, Text: fmt.Sprintf(format, args...)})
	}
	if _, err := c.token.get(ctx); err != nil {
		return append(all, bad("credential", err))
	}
	good("credential", "Google gave a token%s", c.whose())
	p, err := c.place(ctx)
	if err != nil {
		return append(all, bad("zone", err))
	}
	zone, err := c.zoneFinding(ctx, p)
	if err != nil {
		return append(all, bad("zone", err))
	}
	all = append(all, zone, c.permissionFinding(ctx, p))
	for _, name := range names {
		text, err := c.nameFinding(ctx, p, name)
		if err != nil {
			all = append(all, bad(undotted(name), err))
			continue
		}
		good(undotted(name), "%s", text)
	}
	return all
}

// whose says whose the credential is, where that is known.
func (c *Client) whose() string {
	if account := c.token.account(); account != "" {
		return " for " + account
	}
	return ""
}

// bad is the finding of an error.
func bad(check string, err error) register.Finding {
	do, _ := register.Remedy(err)
	return register.Finding{Check: check, Text: err.Error(), Do: do}
}

// zoneFinding compares the zone with what is configured.
func (c *Client) zoneFinding(ctx context.Context, p place) (register.Finding, error) {
	f := register.Finding{Check: "zone"}
	var z managedZone
	err := c.ask(ctx, http.MethodGet, p, "", nil, nil, &z)
	var answer *apiError
	switch {
	case errors.As(err, &answer) && answer.status == http.StatusForbidden:
		f.OK, f.Text = true, fmt.Sprintf("%s of the project %s; what it is may not be seen (dns.managedZones.get)", p.zone, p.project)
	case err != nil:
		return f, err
	case !strings.EqualFold(z.DNSName, c.zone):
		f.Text = fmt.Sprintf("%s of the project %s is the zone %s, and not %s", p.zone, p.project, undotted(z.DNSName), undotted(c.zone))
		f.Do = "name the right one as managed_zone: gcloud dns managed-zones list --project=" + p.project
	case z.Visibility == "private":
		f.OK, f.Text = true, fmt.Sprintf("%s of the project %s, a private zone: only its networks see the records by DNS", p.zone, p.project)
	default:
		f.OK, f.Text = true, fmt.Sprintf("%s of the project %s", p.zone, p.project)
	}
	return f, nil
}

// permissionFinding asks what the credential may do.
func (c *Client) permissionFinding(ctx context.Context, p place) register.Finding {
	const check = "permissions"
	type list struct {
		Permissions []string `json:"permissions"`
	}
	var granted list
	if err := c.ask(ctx, http.MethodPost, p, ":testIamPermissions", nil, list{permissions}, &granted); err != nil {
		return bad(check, err)
	}
	missing := slices.DeleteFunc(slices.Clone(permissions), func(s string) bool { return slices.Contains(granted.Permissions, s) })
	if len(missing) > 0 {
		return register.Finding{
			Check: check, Text: "missing on the zone: " + strings.Join(missing, ", "),
			Do: "grant the role that solotick keygen policy prints to the service account, on the zone " + p.zone + " or the project " + p.project,
		}
	}
	return register.Finding{Check: check, OK: true, Text: "all that is needed, by the service's word: " + strings.Join(permissions, ", ")}
}

// nameFinding looks at every record of a name.
func (c *Client) nameFinding(ctx context.Context, p place, name string) (string, error) {
	fqdn, err := c.inZone(name)
	if err != nil {
		return "", err
	}
	var page struct{ Rrsets []rrset }
	if err := c.ask(ctx, http.MethodGet, p, "/rrsets", url.Values{"name": {fqdn}}, nil, &page); err != nil {
		return "", err
	}
	for i := range page.Rrsets {
		switch set := &page.Rrsets[i]; {
		case set.Type == "CNAME":
			return "", &register.Problem{
				Err: fmt.Errorf("%w: the name is an alias of %s", register.ErrRefused, undotted(strings.Join(set.Rrdatas, ""))),
				Do:  "use another name, or delete the CNAME: gcloud dns record-sets delete " + fqdn + " --type=CNAME --zone=" + p.zone,
			}
		case set.Type == typeTXT:
			s, err := snapshot(set, time.Time{})
			return fmt.Sprintf("%d TXT values, with a TTL of %d s", len(s.Texts), set.TTL), err
		}
	}
	return "no TXT record yet", nil
}

// ask is call within the budget of reads, for what is about the zone.
func (c *Client) ask(ctx context.Context, method string, p place, below string, query url.Values, body, v any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.reads.Wait(ctx); err != nil {
		return err
	}
	if _, err := c.call(ctx, method, p.path(below), query, body, v); err != nil {
		return c.explain(p, err)
	}
	return nil
}
