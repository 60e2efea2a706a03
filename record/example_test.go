package record_test

import (
	"fmt"

	"github.com/solotick/solotick/record"
)

// From what a register holds to what is to be written.
func ExampleRead() {
	texts := []string{"v=spf1 -all", `{"id": "VDNDNQNWQY", "timer": 1641903970, "timerold": 1641903859}`}
	set := record.Read(texts, 1641903971)
	fmt.Println(set.State)

	next := set.Record
	next.ID, next.TimerOld, next.Timer, next.Seq = "MAWDAHDOQH", 1641903970, 1641904030, 1641903971000
	for _, text := range set.With(next) {
		fmt.Println(text)
	}
	// Output:
	// present
	// v=spf1 -all
	// {"id":"MAWDAHDOQH","timer":1641904030,"timerold":1641903970,"seq":1641903971000}
}
