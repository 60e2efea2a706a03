// Package clash holds the test in which many agents fight for the same ticks.
//
// Eight processes at a real DNS server come and go as fast as they can, while a
// backlog of thousands of ticks is worked off, and while hundreds of records fall due
// at once. Some are killed, and some of their swaps lose their request or their reply,
// or come late. Afterwards it is checked that no attempt of a tick was run twice, that
// fences only ever grew, that each tick was run to an end, and, with porcupine, that one
// order of all operations on each register explains what was answered.
//
//	go test ./internal/clash -v
//	go test ./internal/clash -v -timeout 0 -clash.ticks 100000 -clash.servers bind
//
// What the built program does in trouble is for internal/e2e.
package clash
