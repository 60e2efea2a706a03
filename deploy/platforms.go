package deploy

import _ "embed"

// What solotick install fills in, and people copy.
var (
	// Unit is the unit of an agent under systemd.
	//
	//go:embed systemd/solotick.service
	Unit string
	// Manifest is the manifest of agents on Cloud Foundry, and ManifestHTTP the one of
	// agents that are asked whether they live.
	//
	//go:embed cloudfoundry/manifest.yml
	Manifest string
	//go:embed cloudfoundry/manifest-http.yml
	ManifestHTTP string
)
