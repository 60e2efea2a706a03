package gocronadapter

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // they wait most of the time; the flag exists
	goleak.VerifyTestMain(m)
}
