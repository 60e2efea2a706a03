package schedule_test

import (
	"fmt"
	"log"
	"time"

	"github.com/solotick/solotick/schedule"
)

func ExampleEvery() {
	const interval = time.Minute
	s, err := schedule.Every(interval, schedule.Offset("canary", interval))
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	fmt.Println(s)
	fmt.Println(time.Unix(s.Next(now.Unix()), 0).UTC())
	// Output:
	// every 1m0s, offset 29s
	// 2026-01-01 12:00:29 +0000 UTC
}

// On the night in which the clock goes forward, 02:30 does not exist.
func ExampleCron() {
	berlin, err := schedule.Location("Europe/Berlin")
	if err != nil {
		log.Fatal(err)
	}
	s, err := schedule.Cron("30 2 * * *", berlin)
	if err != nil {
		log.Fatal(err)
	}
	tick := time.Date(2026, 3, 28, 0, 0, 0, 0, berlin).Unix()
	for range 3 {
		tick = s.Next(tick)
		fmt.Println(time.Unix(tick, 0).In(berlin))
	}
	// Output:
	// 2026-03-28 02:30:00 +0100 CET
	// 2026-03-29 03:00:00 +0200 CEST
	// 2026-03-30 02:30:00 +0200 CEST
}
