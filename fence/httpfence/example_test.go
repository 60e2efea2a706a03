package httpfence_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/solotick/solotick/fence"
	"github.com/solotick/solotick/fence/httpfence"
)

// A service that takes invoices from whichever machine runs the job, and not from one
// that was taken over.
func Example() {
	var guard fence.Guard
	invoices := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusCreated) })
	of := func(*http.Request) string { return "invoices" } // what the fence protects
	server := httptest.NewServer(httpfence.Handler(&guard, of, invoices))
	defer server.Close()

	post := func(ctx context.Context, fence int64) string {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, http.NoBody)
		if err != nil {
			log.Fatal(err)
		}
		httpfence.Set(r.Header, fence)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.Status
	}
	fmt.Println(post(context.Background(), 1795413939000))
	fmt.Println(post(context.Background(), 1795413935000))
	// Output:
	// 201 Created
	// 412 Precondition Failed
}
