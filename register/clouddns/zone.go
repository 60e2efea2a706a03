package clouddns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/solotick/solotick/register"
)

// A place is where the records are: a zone of a project.
type place struct{ project, zone string }

// path is that of the zone, and of what is below it.
func (p place) path(below string) string {
	return zonesPath(p.project) + "/" + url.PathEscape(p.zone) + below
}

func zonesPath(project string) string {
	return "/dns/v1/projects/" + url.PathEscape(project) + "/managedZones"
}

// A managedZone is a zone, as the API describes it.
type managedZone struct {
	Name       string `json:"name"`
	DNSName    string `json:"dnsName"`
	Visibility string `json:"visibility"`
}

// place finds out where the records are, unless that is known.
func (c *Client) place(ctx context.Context) (place, error) {
	if p := c.known.Load(); p != nil {
		return *p, nil
	}
	return c.found.get(ctx, func() (place, error) {
		ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
		defer cancel()
		p, err := c.findPlace(ctx)
		if err == nil {
			c.known.Store(&p)
		}
		return p, err
	})
}

func (c *Client) findPlace(ctx context.Context) (place, error) {
	project := cmp.Or(c.project, c.token.project())
	if project == "" {
		return place{}, &register.Problem{
			Err:    fmt.Errorf("%w: the credential names no project", register.ErrRefused),
			Do:     "name the project that has the zone as project",
			Config: true,
		}
	}
	if c.managed != "" {
		return place{project, c.managed}, nil
	}
	zones, err := c.listZones(ctx, project)
	if err != nil {
		return place{}, err
	}
	dns := undotted(c.zone)
	switch len(zones) {
	case 1:
		return place{project, zones[0].Name}, nil
	case 0:
		return place{}, &register.Problem{
			Err: fmt.Errorf("%w: the project %s has no zone %s", register.ErrRefused, project, dns),
			Do:  "check both names: gcloud dns managed-zones list --project=" + project,
		}
	}
	var names []string
	for _, z := range zones {
		names = append(names, cmp.Or(z.Visibility, "public")+" "+z.Name)
	}
	return place{}, &register.Problem{
		Err:    fmt.Errorf("%w: the project %s has several zones %s: %s", register.ErrRefused, project, dns, strings.Join(names, ", ")),
		Do:     "name one of them as managed_zone",
		Config: true,
	}
}

// listZones lists the zones of the DNS name.
func (c *Client) listZones(ctx context.Context, project string) ([]managedZone, error) {
	var zones []managedZone
	query := url.Values{"dnsName": {c.zone}}
	for {
		if err := c.reads.Wait(ctx); err != nil {
			return nil, err
		}
		var answer struct {
			ManagedZones  []managedZone `json:"managedZones"`
			NextPageToken string        `json:"nextPageToken"`
		}
		if _, err := c.call(ctx, http.MethodGet, zonesPath(project), query, nil, &answer); err != nil {
			return nil, c.explain(place{project, undotted(c.zone)}, err)
		}
		for _, z := range answer.ManagedZones {
			if strings.EqualFold(z.DNSName, c.zone) {
				zones = append(zones, z)
			}
		}
		if answer.NextPageToken == "" {
			return zones, nil
		}
		query.Set("pageToken", answer.NextPageToken)
	}
}

// zoneGone is the error of an answer that says that the zone is not there.
func (c *Client) zoneGone(p place, err error) error {
	c.known.Store(nil) // another one of the name may have been made
	return &register.Problem{
		Err: fmt.Errorf("%w: there is no zone %s in the project %s: %w", register.ErrRefused, p.zone, p.project, err),
		Do:  "check both names: gcloud dns managed-zones list --project=" + p.project,
	}
}

// zoneThere asks whether the zone is there.
func (c *Client) zoneThere(ctx context.Context, p place) (bool, error) {
	if err := c.reads.Wait(ctx); err != nil {
		return false, err
	}
	var z managedZone
	_, err := c.call(ctx, http.MethodGet, p.path(""), nil, nil, &z)
	var answer *apiError
	if errors.As(err, &answer) && answer.google && answer.status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}
