package main

import "testing"

// TestLinks: what is installed alone has no link to a file that is not there.
func TestLinks(t *testing.T) {
	const page = "[a](docs/a.md), [b](docs/b.md#c) ![d](docs/d.png)\n[e](https://example.com/e) [f](#f) [m](mailto:a@example.com) `x[1](y z)`\n"
	const want = "[a](https://github.com/solotick/solotick/blob/v1.2.3/docs/a.md), [b](https://github.com/solotick/solotick/blob/v1.2.3/docs/b.md#c) " +
		"![d](https://raw.githubusercontent.com/solotick/solotick/v1.2.3/docs/d.png)\n[e](https://example.com/e) [f](#f) [m](mailto:a@example.com) `x[1](y z)`\n"
	if got := string(published([]byte(page), (&edition{version: "1.2.3"}).ref())); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := (&edition{version: "0.0.0-0123456789ab", commit: "0123456789abcdef"}).ref(); got != "0123456789abcdef" {
		t.Errorf("ref %s", got)
	}
}
