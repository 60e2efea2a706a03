package route53

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/solotick/solotick/register"
)

// An account is Amazon's client with credentials that were found.
type account struct {
	api         *route53.Client
	credentials aws.CredentialsProvider
	zoneID      string
}

// open finds credentials and zone, the first time. Nothing of a change was sent
// if it fails.
func (c *Client) open(ctx context.Context) (account, error) {
	select {
	case c.opening <- struct{}{}:
	case <-ctx.Done():
		return account{}, context.Cause(ctx)
	}
	defer func() { <-c.opening }()
	a, zoneID := c.opened()
	if a == nil {
		var err error
		if a, err = c.newAccount(ctx); err != nil {
			return account{}, c.noCredentials(ctx, err)
		}
	}
	if _, err := a.credentials.Retrieve(ctx); err != nil {
		c.setOpened(nil, zoneID) // others may be laid down meanwhile
		return account{}, c.noCredentials(ctx, err)
	}
	c.setOpened(a, zoneID)
	if zoneID == "" {
		var err error
		if zoneID, err = c.findZone(ctx, a.api); err != nil {
			return account{}, err
		}
		c.setOpened(a, zoneID)
	}
	return account{api: a.api, credentials: a.credentials, zoneID: zoneID}, nil
}

func (c *Client) opened() (*account, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.account, c.zoneID
}

func (c *Client) setOpened(a *account, zoneID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account, c.zoneID = a, zoneID
}

// newAccount makes Amazon's client from parts, since its way by way of the
// configuration would take the endpoint from the environment.
func (c *Client) newAccount(ctx context.Context) (*account, error) {
	provider, region, err := c.credentials(ctx)
	if err != nil {
		return nil, err
	}
	if c.cfg.RoleARN != "" {
		client := sts.New(sts.Options{
			Region: region, Credentials: provider, HTTPClient: c.http, Retryer: aws.NopRetryer{}, BaseEndpoint: endpoint(c.sts),
		})
		provider = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, c.cfg.RoleARN,
			func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "solotick" }))
	}
	api := route53.New(route53.Options{
		Region: region, Credentials: provider, HTTPClient: noted{c.http}, Retryer: aws.NopRetryer{}, BaseEndpoint: endpoint(c.cfg.Endpoint),
	})
	return &account{api: api, credentials: provider}, nil
}

func endpoint(url string) *string {
	if url == "" {
		return nil
	}
	return &url
}

// credentials are those of the configuration, or found by Amazon's library, which
// also knows where.
func (c *Client) credentials(ctx context.Context) (aws.CredentialsProvider, string, error) {
	if c.cfg.AccessKeyID != "" {
		provider := credentials.NewStaticCredentialsProvider(c.cfg.AccessKeyID, c.cfg.SecretAccessKey.Reveal(), c.cfg.SessionToken.Reveal())
		return provider, cmp.Or(c.cfg.Region, DefaultRegion), nil
	}
	loaded, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(c.cfg.Profile), config.WithDefaultRegion(DefaultRegion))
	if err != nil {
		return nil, "", err
	}
	return loaded.Credentials, cmp.Or(c.cfg.Region, loaded.Region), nil
}

// noCredentials is no refusal: nobody was asked, or who was has not answered.
func (c *Client) noCredentials(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no credentials of AWS in time: %w", context.Cause(ctx))
	}
	do := "set an access key or a profile, or give the machine, the container or the service account a role; aws sts get-caller-identity shows what is found"
	if c.cfg.RoleARN != "" {
		do = "see that there are credentials (aws sts get-caller-identity), that they may assume the role, and that the role trusts them"
	}
	return &register.Problem{Err: fmt.Errorf("no credentials of AWS: %s", line(err.Error())), Do: do}
}

// findZone finds the one public zone of the name.
func (c *Client) findZone(ctx context.Context, api *route53.Client) (string, error) {
	var public, private []string
	in := &route53.ListHostedZonesByNameInput{DNSName: &c.zone}
	for {
		if err := c.budget.Wait(ctx); err != nil {
			return "", err
		}
		out, err := api.ListHostedZonesByName(ctx, in)
		if err != nil {
			return "", fmt.Errorf("find the zone %s: %w", plainName(c.zone), c.readError(ctx, err))
		}
		for _, z := range out.HostedZones {
			switch id := strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/"); {
			case !sameName(c.zone, aws.ToString(z.Name)):
			case z.Config != nil && z.Config.PrivateZone:
				private = append(private, id)
			default:
				public = append(public, id)
			}
		}
		if !out.IsTruncated || !sameName(c.zone, aws.ToString(out.NextDNSName)) {
			break
		}
		in.DNSName, in.HostedZoneId = out.NextDNSName, out.NextHostedZoneId
	}
	return c.oneZone(public, private)
}

func (c *Client) oneZone(public, private []string) (string, error) {
	zone := plainName(c.zone)
	switch {
	case len(public) == 1:
		return public[0], nil
	case len(public) > 1:
		return "", &register.Problem{
			Err:    fmt.Errorf("%w: the account has %d public zones %s: %s", register.ErrRefused, len(public), zone, strings.Join(public, ", ")),
			Do:     "set dns.zone_id to the one whose name servers the parent zone names (dig NS " + zone + ")",
			Config: true,
		}
	case len(private) > 0:
		return "", &register.Problem{
			Err:    fmt.Errorf("%w: the account has no public zone %s, only a private one: %s", register.ErrRefused, zone, strings.Join(private, ", ")),
			Do:     "use a public hosted zone: what a private one holds is seen by no name server outside of its networks",
			Config: true,
		}
	}
	return "", &register.Problem{
		Err:    fmt.Errorf("%w: the account has no public zone %s", register.ErrRefused, zone),
		Do:     "check the zone's name and the account: aws route53 list-hosted-zones-by-name --dns-name " + zone + " shows what these credentials see",
		Config: true,
	}
}
