package ocidns

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// An apiError is an answer that says that nothing was done.
type apiError struct {
	status        int
	code, message string // none: the body is not as the API's are
}

func readError(resp *web.Response) *apiError {
	var said struct{ Code, Message string }
	if json.Unmarshal(resp.Body, &said) != nil {
		said.Code = ""
	}
	return &apiError{resp.Status, said.Code, said.Message}
}

func (e *apiError) Error() string {
	text := fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	if e.code != "" {
		text += ": " + line(e.message) + " (" + line(e.code) + ")"
	}
	return text
}

// explain turns an answer that refuses into a sentence with what to do. Other errors
// stay as they are. What somebody in between says is no word of the register.
func (c *Client) explain(err error) error {
	var e *apiError
	switch {
	case !errors.As(err, &e), e.status >= 500:
		return err
	case e.status == http.StatusTooManyRequests:
		return fmt.Errorf("%w (429): %w", register.ErrThrottled, e)
	case e.code == "":
		return e
	}
	refused := fmt.Errorf("%w: %w", register.ErrRefused, e)
	switch {
	case e.status == http.StatusUnauthorized:
		return &register.Problem{Err: refused, Do: "see that the key's public half is uploaded for the user (oci iam user api-key list), that user, tenancy " +
			"and fingerprint in the file are those of the key, and that this machine's clock is right"}
	case e.status == http.StatusForbidden, e.status == http.StatusNotFound:
		return &register.Problem{Err: refused, Do: "see that the zone " + c.zone + " is there, in the region of the credential (oci dns zone get --zone-name-or-id " + c.zone + "), " +
			"and that a policy lets it manage the records: solotick keygen policy prints one"}
	case e.status == http.StatusBadRequest && strings.Contains(strings.ToUpper(e.message), "CNAME"):
		return &register.Problem{Err: refused, Do: "the name is an alias (CNAME), beside which no TXT record can be: use another name"}
	}
	return e
}

// timeOf is the service's time, of an answer's head.
func timeOf(h http.Header) time.Time {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// line makes one line of a text, and not a long one.
func line(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 300 {
		return string(runes[:300]) + "..."
	}
	return text
}
