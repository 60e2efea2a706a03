package ocidns

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/solotick/solotick/register"
)

// Policy is the least policy that the registers of names in a zone need, for people:
// statements for the group or dynamic group of a compartment.
func Policy(group, compartment, zone string, names ...string) string {
	group, compartment = cmp.Or(group, "GROUP"), cmp.Or(compartment, "COMPARTMENT")
	zone = strings.TrimSuffix(zone, ".")
	var b strings.Builder
	fmt.Fprintf(&b, "# Policy statements of Oracle Cloud for Solotick; for instances write \"dynamic-group %[1]s\".\n"+
		"allow group %[1]s to read dns-zones in compartment %[2]s where target.dns-zone.name = '%[3]s'\n", group, compartment, zone)
	statement := func(more string) {
		fmt.Fprintf(&b, "allow group %s to manage dns-records in compartment %s where all {target.dns-zone.name = '%s', target.dns-record.type = 'TXT'%s}\n",
			group, compartment, zone, more)
	}
	if len(names) == 0 {
		statement("")
	}
	for _, name := range names {
		statement(", target.dns-domain.name = '" + strings.TrimSuffix(name, ".") + "'")
	}
	return b.String()
}

// Examine looks at what the registers of names need, from the credential to the
// records, and stops where nothing more can be found out. It changes nothing.
func (c *Client) Examine(ctx context.Context, names ...string) []register.Finding {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	if _, err := c.credential(ctx); err != nil {
		return []register.Finding{bad("credential", err)}
	}
	z, err := c.getZone(ctx)
	if err != nil {
		return []register.Finding{bad("zone", err)}
	}
	all := []register.Finding{{Check: "credential", OK: true, Text: "Oracle takes it"}, c.zoneFinding(z)}
	for _, name := range names {
		domain, err := c.inZone(name)
		if err != nil {
			all = append(all, bad(name, err))
			continue
		}
		set, err := c.read(ctx, domain)
		if err != nil {
			all = append(all, bad(domain, err))
			continue
		}
		all = append(all, register.Finding{Check: domain, OK: true, Text: fmt.Sprintf("%d TXT values", len(set.values))})
	}
	return all
}

func (c *Client) zoneFinding(z zone) register.Finding {
	f := register.Finding{Check: "zone", OK: true, Text: c.zone}
	switch {
	case !strings.EqualFold(z.Name, c.zone):
		f.OK, f.Text = false, "it is the zone "+z.Name+", and not "+c.zone
		f.Do = "name the OCID of the right one as zone_id: oci dns zone list --compartment-id ..."
	case z.ZoneType == "SECONDARY":
		f.OK, f.Text = false, c.zone+" is a secondary zone, whose records come from elsewhere"
		f.Do = "use a primary zone: oci dns zone create --zone-type PRIMARY ..."
	case z.Scope == "PRIVATE":
		f.Text += ", a private zone: only its networks see the records by DNS"
	}
	return f
}

// bad is the finding of an error.
func bad(check string, err error) register.Finding {
	do, _ := register.Remedy(err)
	return register.Finding{Check: check, Text: err.Error(), Do: do}
}
