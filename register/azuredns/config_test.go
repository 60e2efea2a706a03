package azuredns

import (
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
)

func TestConfig(t *testing.T) {
	start(t)
	for _, row := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Zone = "" }, `azuredns: zone: "" is no name of a zone`},
		{func(c *Config) { c.Zone = "a..b" }, `azuredns: zone: "a..b"`},
		{func(c *Config) { c.Zone = "*.t.test" }, "azuredns: zone: "},
		{func(c *Config) { c.Subscription = "" }, "az account show --query id"},
		{func(c *Config) { c.Subscription = "a/b" }, "azuredns: subscription: "},
		{func(c *Config) { c.ResourceGroup = "a/b" }, "azuredns: resource group: "},
		{func(c *Config) { c.TTL = 1500 * time.Millisecond }, "azuredns: a TTL of 1.5s: want whole seconds, from 1 to 2147483647"},
		{func(c *Config) { c.Timeout = -1 }, "azuredns: a timeout of -1ns"},
		{func(c *Config) { c.Rate = -1 }, "azuredns: a rate or burst below zero"},
		{func(c *Config) { c.Cloud = "moon" }, `azuredns: cloud: "moon": want public, china or government`},
		{func(c *Config) { c.Endpoint = "http://management.azure.com" }, "azuredns: endpoint: want https:// and a host, or http:// on loopback"},
		{func(c *Config) { c.Endpoint = "ftp://localhost" }, "azuredns: endpoint: "},
		{func(c *Config) { c.ClientSecret = register.NewSecret("hunter2") }, "azuredns: a client secret needs the ids of its tenant and client"},
	} {
		cfg := config("http://127.0.0.1:1")
		row.change(&cfg)
		_, err := New(cfg)
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v, want %q", err, row.want)
		}
	}
}

func TestNames(t *testing.T) {
	start(t)
	c := newTest(t, config("http://[::1]:1"))
	for name, want := range map[string]string{
		"canary.t.test": "canary", "a.b.T.TEST.": "a.b", "t.test": "@", "*.t.test": "*", "_x.t.test": "_x",
		"canary.example.com": "", "nott.test": "", "": "", "a..t.test": "", "a/b.t.test": "", "a b.t.test": "", `a\.t.test`: "", "@.t.test": "",
		strings.Repeat("a.", 130) + "t.test": "",
	} {
		r, err := c.Register(name)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is taken", name)
		case want != "" && (err != nil || r.(*record).relative != want):
			t.Errorf("%q: %+v, error %v", name, r, err)
		}
	}
}

// TestClouds: tokens are for the cloud's own service.
func TestClouds(t *testing.T) {
	start(t)
	for cloud, want := range map[string]string{
		"": "https://management.", "public": "https://management.", "china": "chinacloudapi.cn/", "government": "usgovcloudapi.net/",
	} {
		cfg := config("")
		cfg.Cloud = cloud
		if c := newTest(t, cfg); !strings.Contains(c.scope, want) {
			t.Errorf("%s: scope %s", cloud, c.scope)
		}
	}
}
