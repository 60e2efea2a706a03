# The client id of the application, or the principal id of the managed identity.
ASSIGNEE=...

# A role that may do no more than hold TXT records. Where it is in place already, or
# custom roles may not be made, go on; "DNS Zone Contributor" serves as well.
az role definition create --role-definition '{
  "Name": "Solotick record",
  "Description": "Reads, writes and deletes TXT record sets.",
  "Actions": ["Microsoft.Network/dnsZones/TXT/read", "Microsoft.Network/dnsZones/TXT/write", "Microsoft.Network/dnsZones/TXT/delete"],
  "AssignableScopes": ["/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/dns"]
}'

# canary.jobs.example.com
az role assignment create --assignee "$ASSIGNEE" --role "Solotick record" \
  --scope "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/dns/providers/Microsoft.Network/dnsZones/jobs.example.com/TXT/canary"
