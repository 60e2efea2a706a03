package route53

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/register"
)

// Examine looks for what is wrong on the way to the records of names, for people.
// It writes nothing: whether the credentials may is found by a change that cannot
// be applied, since it replaces a text that is not there.
func (c *Client) Examine(ctx context.Context, names ...string) []register.Finding {
	ctx, cancel := context.WithTimeout(ctx, c.timeout+time.Duration(len(names))*time.Second)
	defer cancel()
	a, err := c.open(ctx)
	if err != nil {
		return []register.Finding{finding("credentials", "", err)}
	}
	all := []register.Finding{{Check: "credentials", OK: true, Text: "found: " + source(ctx, a)}}
	zone, clock := c.examineZone(ctx, a)
	all = append(all, zone, clock)
	for _, name := range names {
		all = append(all, c.examineName(ctx, a, name)...)
	}
	return all
}

// finding is a check that is well if err is nil, and then says text.
func finding(check, text string, err error) register.Finding {
	if again := (*batch.Again)(nil); errors.As(err, &again) {
		err = again.Err
	}
	if err == nil {
		return register.Finding{Check: check, OK: true, Text: text}
	}
	do, _ := register.Remedy(err)
	return register.Finding{Check: check, Text: err.Error(), Do: do}
}

// source is where Amazon's library found the credentials.
func source(ctx context.Context, a account) string {
	found, err := a.credentials.Retrieve(ctx)
	if err != nil || found.Source == "" {
		return "where is not known"
	}
	if found.Source == "StaticCredentials" {
		return "the access key of the configuration"
	}
	return line(found.Source)
}

// examineZone looks at the zone itself. To be allowed to is not needed for swaps.
func (c *Client) examineZone(ctx context.Context, a account) (zone, clock register.Finding) {
	zone.Check, clock = "zone", register.Finding{Check: "clock", OK: true, Text: "the service tells no time"}
	if err := c.budget.Wait(ctx); err != nil {
		return finding("zone", "", err), clock
	}
	out, err := a.api.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &a.zoneID})
	if err != nil {
		told := answerOf(err)
		if !told.date.IsZero() {
			clock = clockFinding(told.skew())
		}
		if denied(told.code) {
			zone.OK, zone.Text = true, a.zoneID+"; these credentials may not see its name, which is not needed"
			return zone, clock
		}
		return finding("zone", "", c.readError(ctx, err)), clock
	}
	if at := serverTime(out.ResultMetadata); !at.IsZero() {
		clock = clockFinding(time.Since(at))
	}
	switch name := aws.ToString(out.HostedZone.Name); {
	case !sameName(c.zone, name):
		zone.Text = fmt.Sprintf("%s is the zone %s, and not %s", a.zoneID, plainName(name), plainName(c.zone))
		zone.Do = "set dns.zone_id to the id of " + plainName(c.zone) + ", or leave it out"
	case out.HostedZone.Config != nil && out.HostedZone.Config.PrivateZone:
		zone.Text = a.zoneID + " is a private zone, whose records no name server outside of its networks shows"
		zone.Do = "set dns.zone_id to the id of a public hosted zone"
	default:
		zone.OK, zone.Text = true, fmt.Sprintf("%s is the public zone %s", a.zoneID, plainName(c.zone))
	}
	return zone, clock
}

func clockFinding(skew time.Duration) register.Finding {
	skew = skew.Round(time.Second)
	if skew.Abs() <= time.Minute {
		return register.Finding{Check: "clock", OK: true, Text: "that of this machine and the service's agree"}
	}
	return register.Finding{
		Check: "clock", Text: "that of this machine is " + ahead(skew),
		Do: "set it: chronyc tracking; Route 53 refuses signatures that are 5 minutes old",
	}
}

// examineName looks at one record: what is there, and whether it may be written.
func (c *Client) examineName(ctx context.Context, a account, name string) []register.Finding {
	fqdn, err := dnsmsg.Absolute(name)
	if err == nil {
		name = plainName(wireName(fqdn))
		_, err = c.Register(name)
	}
	if err != nil {
		return []register.Finding{finding("name", "", err)}
	}
	r := &record{client: c, name: wireName(fqdn)}
	found, err := r.read(ctx)
	if err == nil {
		err = c.noAlias(ctx, a, r.name)
	}
	read := finding("read "+name, fmt.Sprintf("%d TXT values", len(found.set.Values)), err)
	if !read.OK {
		return []register.Finding{read}
	}
	return []register.Finding{read, finding("write "+name, "allowed", r.mayWrite(ctx))}
}

// noAlias is the error if the name is a CNAME, beside which no TXT record can be.
func (c *Client) noAlias(ctx context.Context, a account, name string) error {
	if err := c.budget.Wait(ctx); err != nil {
		return err
	}
	out, err := a.api.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
		HostedZoneId: &a.zoneID, StartRecordName: &name, StartRecordType: types.RRTypeCname, MaxItems: aws.Int32(1),
	})
	if err != nil {
		return c.readError(ctx, err)
	}
	for _, set := range out.ResourceRecordSets {
		if set.Type == types.RRTypeCname && sameName(name, aws.ToString(set.Name)) {
			return &register.Problem{
				Err: fmt.Errorf("%w: the name is a CNAME, beside which no TXT record can be", register.ErrRefused),
				Do:  "use another name for the record, or delete the CNAME",
			}
		}
	}
	return nil
}

// mayWrite sends a swap of a text that is not there: the service looks at what the
// credentials may before it compares.
func (r *record) mayWrite(ctx context.Context) error {
	nobody := newSet(r.client.ttl, []string{`"solotick doctor ` + strings.ToLower(rand.Text()) + `"`})
	_, err := r.client.changes.Do(ctx, change{name: r.name, was: nobody, next: nobody})
	if no := (*rejection)(nil); errors.As(err, &no) {
		return nil
	}
	if err == nil {
		return errors.New("the service has accepted a change of what is not there: it does not compare")
	}
	return err
}
