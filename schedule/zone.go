package schedule

import (
	"archive/zip"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// ZoneData is the version of the IANA time zone database in this package.
const ZoneData = "2025c"

// zoneinfo is lib/time/zoneinfo.zip of Go 1.26.8: 598 zones, uncompressed, in
// the public domain. The host's zones are never used, since two hosts may differ
// and agents must not.
//
//go:embed zoneinfo.zip
var zoneinfo string

// Location returns the time zone of an IANA name, such as Europe/Berlin; "" is
// UTC. It reads the zone anew each time: keep it for further jobs.
func Location(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	zones, err := zip.NewReader(strings.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		return nil, fmt.Errorf("time zone data: %w", err)
	}
	for _, f := range zones.File {
		if f.Name == name {
			return load(f)
		}
	}
	if name == "Local" {
		return nil, fmt.Errorf("time zone %q: agents on several machines need a zone by name, such as Europe/Berlin", name)
	}
	if meant := closest(name, zones.File); meant != "" {
		return nil, fmt.Errorf("time zone %q: unknown in tzdata %s, did you mean %s?", name, ZoneData, meant)
	}
	return nil, fmt.Errorf("time zone %q: unknown in tzdata %s, use a name such as Europe/Berlin", name, ZoneData)
}

func load(f *zip.File) (*time.Location, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("time zone %s: %w", f.Name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("time zone %s: %w", f.Name, err)
	}
	loc, err := time.LoadLocationFromTZData(f.Name, data)
	if err != nil {
		return nil, fmt.Errorf("time zone %s: %w", f.Name, err)
	}
	return loc, nil
}

// closest returns the zone that was probably meant, or "": the one with the
// fewest letters to change, of the whole name or of its city. An abbreviation
// such as PST resembles many and means none of them.
func closest(name string, zones []*zip.File) string {
	plain := func(s string) string { return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(s)) }
	if len(name) <= 5 && name == strings.ToUpper(name) || len(name) > 100 {
		return ""
	}
	meant, best := "", 3
	for _, f := range zones {
		city := f.Name[strings.LastIndex(f.Name, "/")+1:]
		distance := min(edits(plain(name), plain(f.Name)), edits(plain(name), plain(city)))
		if distance < best && distance < len(name)/2 {
			meant, best = f.Name, distance
		}
	}
	return meant
}

// edits returns how many bytes to insert, drop or change to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = slices.Min([]int{change, row[j] + 1, row[j+1] + 1})
		}
	}
	return row[len(b)]
}
