package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

// FuzzJobs is FuzzParse for a list of jobs that lies elsewhere, which its owner may
// not be trusted with.
func FuzzJobs(f *testing.F) {
	f.Setenv("CONFIG_FUZZ_KEY", "agent:c2VjcmV0")
	c, err := config.Parse("f", []byte("version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1.example.com, tsig: \"${env:CONFIG_FUZZ_KEY}\" }\njobs: { own: { every: 60s, exec: [\"true\"] } }\n"))
	if err != nil {
		f.Fatal(err)
	}
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		if i := bytes.Index(data, []byte("\njobs:")); i >= 0 {
			f.Add(data[i+1:])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		jobs, err := c.Parse("f", data)
		var all config.Diagnostics
		if err != nil && (!errors.As(err, &all) || len(all) == 0 || all.Error() == "" || jobs != nil) {
			t.Fatalf("%d jobs, %T", len(jobs), err)
		}
		for _, j := range jobs {
			if j.Name == "" || j.Record == "" || j.Plan == nil || len(j.Plan.Steps) == 0 || j.Schedule.Next(0) == 0 {
				t.Errorf("a job that cannot be run: %+v", j)
			}
			if j.Record != c.DNS.Zone && !strings.HasSuffix(j.Record, "."+c.DNS.Zone) {
				t.Errorf("the record %s is not in the zone %s", j.Record, c.DNS.Zone)
			}
		}
	})
}
