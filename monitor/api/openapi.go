package api

import (
	_ "embed"
	"net/http"
	"strconv"
)

// openAPIText describes all of it, by hand: OpenAPI 3.1.
//
//go:embed openapi.json
var openAPIText []byte

// OpenAPI returns the description of the API, as it is served.
func OpenAPI() []byte { return openAPIText }

func openAPI(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	h.Set("Content-Length", strconv.Itoa(len(openAPIText)))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // for viewers of such files
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(openAPIText)
	}
}
