package ocidns

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/internal/web"
)

// slowSigner gets a token for a minute before it signs.
type slowSigner struct{}

func (slowSigner) Sign(*http.Request) error {
	time.Sleep(time.Minute)
	return nil
}

// TestSigningTakesTime: whoever has no time left does not wait for a token.
func TestSigningTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &credential{signer: slowSigner{}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := c.sign(ctx, &web.Request{Method: "GET", URL: "https://dns.test/", Header: http.Header{}})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		time.Sleep(time.Hour) // until it has ended as well
	})
}
