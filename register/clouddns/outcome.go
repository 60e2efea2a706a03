package clouddns

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/register"
)

// explain turns an answer that refuses into a sentence with what to do. Other errors
// stay as they are. What somebody in between says is no word of the register.
func (c *Client) explain(p place, err error) error {
	var e *apiError
	if !errors.As(err, &e) {
		return err
	}
	if e.throttled() {
		return &batch.Again{Err: fmt.Errorf("%w (%d): %w", register.ErrThrottled, e.status, e), After: e.after}
	}
	if !e.google || e.status >= 500 {
		return err
	}
	refused := fmt.Errorf("%w: %w", register.ErrRefused, e)
	switch {
	case e.status == http.StatusUnauthorized:
		return &register.Problem{Err: refused, Do: "see that the credential is of this project's organisation and still valid: " +
			"gcloud auth application-default print-access-token, or gcloud iam service-accounts keys list --iam-account=..."}
	case e.status == http.StatusForbidden:
		return &register.Problem{Err: refused, Do: e.remedy(p)}
	case e.status == http.StatusNotFound:
		return c.zoneGone(p, e)
	case e.status == http.StatusRequestEntityTooLarge:
		return &register.Problem{Err: e, Do: quotaRemedy(p)} // it may be the minute's
	case e.status == http.StatusBadRequest && e.about("CNAME"):
		return &register.Problem{Err: refused, Do: "the name is an alias (CNAME), beside which no TXT record can be: use another name"}
	}
	return e
}

// throttled says whether a request was refused as one too many.
func (e *apiError) throttled() bool {
	return e.status == http.StatusTooManyRequests ||
		e.status == http.StatusForbidden && slices.Contains([]string{"rateLimitExceeded", "userRateLimitExceeded", "RESOURCE_EXHAUSTED"}, e.reason) ||
		e.status == http.StatusRequestEntityTooLarge && e.after > 0
}

func (e *apiError) about(word string) bool {
	return strings.Contains(strings.ToLower(e.message+" "+e.reason), strings.ToLower(word))
}

// remedy is what to do about a 403.
func (e *apiError) remedy(p place) string {
	switch {
	case e.reason == "accessNotConfigured", e.reason == "SERVICE_DISABLED", e.about("has not been used in project"):
		return "enable the API: gcloud services enable dns.googleapis.com --project=" + p.project
	case e.reason == "quotaExceeded", e.reason == "dailyLimitExceeded":
		return quotaRemedy(p)
	case e.about("scope"):
		return "give the machine the access scope cloud-platform, or " + scope + ", and let the role of its service account say what it may do"
	}
	return "grant the role that solotick keygen policy prints to the service account, on the zone " + p.zone + " or the project " + p.project
}

func quotaRemedy(p place) string {
	return "see the quotas of the Cloud DNS API, and ask for more: https://console.cloud.google.com/apis/api/dns.googleapis.com/quotas?project=" + p.project
}
