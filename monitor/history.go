package monitor

import (
	"time"
)

// Limits bound what a [History] keeps.
type Limits struct {
	Runs   int           // of all records together; 0: 400,000
	Events int           // of all records together; 0: 100,000
	Age    time.Duration // of the oldest; 0: 30 days
}
