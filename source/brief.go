package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"golang.org/x/oauth2"
)

// brief makes a sentence of an error of a vendor's library. Those have many lines,
// and the bodies of answers to requests that held a secret.
func brief(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// A library's own clock may be ahead of ctx by a hair.
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		return context.DeadlineExceeded
	}
	var google *oauth2.RetrieveError
	var entra *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &google) && google.Response != nil:
		return answered(google.Response, google.Body)
	case errors.As(err, &entra) && entra.RawResponse != nil:
		body, _ := io.ReadAll(entra.RawResponse.Body) // what cannot be read is not shown
		return answered(entra.RawResponse, body)
	}
	return errors.New(line(err.Error()))
}

// answered is what an authority says of a request for a token: RFC 6749 section
// 5.2.
func answered(resp *http.Response, body []byte) error {
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	who := "the authority"
	if resp.Request != nil && resp.Request.URL != nil {
		who = resp.Request.URL.Host
	}
	if json.Unmarshal(body, &said) != nil || said.Code == "" {
		return fmt.Errorf("%s answered %s", who, resp.Status)
	}
	return fmt.Errorf("%s answered %s: %s", who, resp.Status, line(said.Code+" "+said.Description))
}
