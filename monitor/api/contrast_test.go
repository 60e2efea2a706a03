package api

import (
	"fmt"
	"math"
	"testing"
)

// contrast is that of a colour to white (WCAG 2.2, 1.4.3).
func contrast(t *testing.T, color string) float64 {
	t.Helper()
	var rgb [3]int
	if _, err := fmt.Sscanf(color, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
		t.Fatalf("%s: %v", color, err)
	}
	luminance := 0.0
	for i, share := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb[i]) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		luminance += share * c
	}
	return 1.05 / (luminance + 0.05)
}
