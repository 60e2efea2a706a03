package route53

import (
	"encoding/json"
	"slices"

	"github.com/solotick/solotick/internal/dnsmsg"
)

// A statement is one of an IAM policy.
type statement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  string
	Condition map[string]map[string][]string `json:",omitempty"`
}

// Policy is the least that credentials must be allowed to hold the records of
// names, as an IAM policy in JSON: to create and delete their TXT record sets and
// no others, never to overwrite, and to list the zone. Without a zoneID it allows
// to find a zone by its name too, and holds for every zone of the account.
//
// Names that are none are left out. The partition is aws: in China write
// arn:aws-cn, and in GovCloud arn:aws-us-gov.
func Policy(zoneID string, names []string) string {
	zone := "arn:aws:route53:::hostedzone/" + zoneID
	if zoneID == "" {
		zone += "*"
	}
	normal := []string{}
	for _, name := range names {
		if fqdn, err := dnsmsg.Absolute(name); err == nil {
			normal = append(normal, plainName(wireName(fqdn)))
		}
	}
	slices.Sort(normal)
	statements := []statement{
		{
			Sid: "SwapRecords", Effect: "Allow", Action: []string{"route53:ChangeResourceRecordSets"}, Resource: zone,
			Condition: map[string]map[string][]string{"ForAllValues:StringEquals": {
				"route53:ChangeResourceRecordSetsNormalizedRecordNames": slices.Compact(normal),
				"route53:ChangeResourceRecordSetsRecordTypes":           {"TXT"},
				"route53:ChangeResourceRecordSetsActions":               {"CREATE", "DELETE"},
			}},
		},
		{Sid: "LoadRecords", Effect: "Allow", Action: []string{"route53:ListResourceRecordSets", "route53:GetHostedZone"}, Resource: zone},
	}
	if zoneID == "" {
		statements = append(statements, statement{
			Sid: "FindZone", Effect: "Allow", Action: []string{"route53:ListHostedZonesByName"}, Resource: "*",
		})
	}
	text, err := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": statements}, "", "  ")
	if err != nil {
		panic(err) // of strings
	}
	return string(text)
}
