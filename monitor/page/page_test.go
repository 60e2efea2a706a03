package page

import (
	"flag"
	"fmt"
	"net/http"
	"testing"
	"time"
)

var listen = flag.String("listen", "", "serve the made-up world there for people to look at")

func TestServe(t *testing.T) {
	if *listen == "" {
		return
	}
	now := time.Now()
	w := everyday(now)
	fmt.Println("ready", time.Since(now))
	t.Fatal(http.ListenAndServe(*listen, Handler(Config{History: w.h, Title: "example.com", Version: "v0.5.0", Admin: func(http.ResponseWriter, *http.Request) (string, bool) { return "t", true }})))
}
