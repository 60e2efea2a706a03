package page

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endChromium()
	os.Exit(code)
}
