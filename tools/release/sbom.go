package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bom lists what a program is made of, in CycloneDX 1.6: every module that the
// program says is linked into it, with version, licence and its sum in go.sum. What
// needs what is not known of a program, so all of it is told as needed by the whole.
func (e *edition) bom(t target, program string, text []byte, licences *notices) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	top := cdx.Component{
		BOMRef: own, Type: cdx.ComponentTypeApplication, Name: own, Version: "v" + e.version, PackageURL: purl(own, "v"+e.version),
		Description: summary, Licenses: licencesOf("Apache-2.0"),
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%x", sum)}},
		Properties: &[]cdx.Property{{Name: "solotick:commit", Value: e.commit}, {Name: "solotick:target", Value: t.os + "/" + t.arch}},
	}
	var components []cdx.Component
	var needs []string
	for _, d := range append([]*debug.Module{{Path: std, Version: strings.TrimPrefix(info.GoVersion, "go")}}, info.Deps...) {
		if d.Replace != nil {
			d = &debug.Module{Path: d.Path, Version: d.Replace.Version, Sum: d.Replace.Sum}
		}
		m := licences.modules[d.Path]
		if m == nil {
			return nil, fmt.Errorf("%s is linked, and its licence was not looked for", d.Path)
		}
		c := cdx.Component{
			BOMRef: d.Path + "@" + d.Version, Type: cdx.ComponentTypeLibrary, Name: d.Path, Version: d.Version, PackageURL: purl(d.Path, d.Version),
			Scope: cdx.ScopeRequired, Licenses: licencesOf(m.spdx),
		}
		if d.Sum != "" {
			c.Properties = &[]cdx.Property{{Name: "solotick:go.sum", Value: d.Sum}}
		}
		components = append(components, c)
		needs = append(needs, c.BOMRef)
	}
	b := cdx.NewBOM()
	// A name-based UUID: the same program has the same.
	b.SerialNumber = uuid(sum)
	b.Metadata = &cdx.Metadata{Timestamp: e.stamp(), Component: &top}
	b.Components = &components
	b.Dependencies = &[]cdx.Dependency{{Ref: own, Dependencies: &needs}}
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(b, cdx.SpecVersion1_6); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// uuid is one of version 8 (RFC 9562), made of a hash.
func uuid(sum [32]byte) string {
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// purl is a package URL, as vulnerability databases know Go modules.
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

func licencesOf(spdx string) *cdx.Licenses {
	if strings.Contains(spdx, " ") {
		return &cdx.Licenses{{Expression: spdx}}
	}
	return &cdx.Licenses{{License: &cdx.License{ID: spdx}}}
}
