// Command stamp is the job whose start lag is measured: it appends its tick and
// the time of its first instruction to a file. It does as little as it can.
package main

import (
	"os"
	"strconv"
	"time"
)

func main() {
	now := time.Now().UnixNano()
	f, err := os.OpenFile(os.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		os.Exit(1)
	}
	if _, err := f.WriteString(os.Getenv("SOLOTICK_TICK") + " " + strconv.FormatInt(now, 10) + "\n"); err != nil {
		os.Exit(1)
	}
}
