package route53

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// An answer is an error that the service gave in its own words.
type answer struct {
	status   int
	code     string
	messages []string
	after    time.Duration // Retry-After
	date     time.Time     // zero: not told
}

func (a *answer) Error() string {
	return fmt.Sprintf("%s: %s (%d)", a.code, line(strings.Join(a.messages, "; ")), a.status)
}

// answerOf finds the answer in an error of Amazon's library. Status is 0 if there
// was none at all, and code empty if it is not the API's.
func answerOf(err error) *answer {
	a := &answer{}
	var resp *smithyhttp.ResponseError
	if !errors.As(err, &resp) || resp.Response == nil {
		return a
	}
	a.status = resp.HTTPStatusCode()
	a.date, _ = http.ParseTime(resp.Response.Header.Get("Date"))
	a.after, _ = web.RetryAfter(resp.Response.Header, time.Now())
	var said smithy.APIError
	if !errors.As(err, &said) || said.ErrorCode() == "UnknownError" {
		return a
	}
	a.code, a.messages = said.ErrorCode(), []string{said.ErrorMessage()}
	if invalid := (*types.InvalidChangeBatch)(nil); errors.As(err, &invalid) && len(invalid.Messages) > 0 {
		a.messages = invalid.Messages
	}
	return a
}

// skew is how far this machine's clock is ahead of the service's.
func (a *answer) skew() time.Duration {
	if a.date.IsZero() {
		return 0
	}
	return time.Since(a.date).Round(time.Second)
}

// A rejection is a change batch that was not applied because of what it says.
type rejection struct{ *answer }

// about is what the service says about one name, in one line.
func (r *rejection) about(name string) string {
	messages := split(r.messages)
	if mine := slices.DeleteFunc(slices.Clone(messages), func(m string) bool { return !mentions(m, name) }); len(mine) > 0 {
		messages = mine
	}
	return line(strings.Join(messages, "; "))
}

// split takes apart what is one message by its look: [Tried to ..., Tried to ...].
func split(messages []string) []string {
	var all []string
	for _, m := range messages {
		m = strings.TrimSuffix(strings.TrimPrefix(m, "["), "]")
		for i, part := range strings.Split(m, ", Tried to ") {
			if i > 0 {
				part = "Tried to " + part
			}
			all = append(all, part)
		}
	}
	return all
}

// changeError is the error of a change batch.
func (c *Client) changeError(ctx context.Context, err error, f *fate, changes []change) error {
	a := answerOf(err)
	switch {
	case a.status == 0 && !f.uncertain():
		return plain(ctx, err)
	case a.status == 0:
		return fmt.Errorf("%w: %w", register.ErrUncertain, plain(ctx, err))
	case a.code == "" || a.status < 400 || a.status > 499:
		return fmt.Errorf("%w: the answer was %s", register.ErrUncertain, a.brief())
	case a.code == "InvalidChangeBatch":
		return &batch.Blame{Err: &rejection{a}, Members: a.blamed(changes)}
	case a.code == "InvalidInput":
		return &batch.Blame{Err: &rejection{a}}
	case a.code == "PriorRequestNotComplete":
		return &batch.Again{Err: a, After: a.after}
	case denied(a.code) && len(changes) == 1:
		// A condition on names refuses a whole batch for one of them.
		c.setAlone(changes[0].name, true)
	case denied(a.code):
		return &batch.Blame{Err: c.answered(ctx, a)}
	}
	return c.answered(ctx, a)
}

// blamed are the changes whose names the messages have.
func (a *answer) blamed(changes []change) []int {
	all := strings.Join(a.messages, "\n")
	var members []int
	for i, ch := range changes {
		if mentions(all, ch.name) {
			members = append(members, i)
		}
	}
	return members
}

// readError is the error of a request that changes nothing.
func (c *Client) readError(ctx context.Context, err error) error {
	a := answerOf(err)
	switch {
	case a.status == 0:
		return plain(ctx, err)
	case a.code == "" || a.status < 400 || a.status > 499:
		return errors.New("the answer was " + a.brief())
	}
	return c.answered(ctx, a)
}

// brief is the answer without what may be anybody's words.
func (a *answer) brief() string {
	text := strconv.Itoa(a.status) + " " + http.StatusText(a.status)
	if a.code != "" {
		text += " (" + line(a.code) + ")"
	}
	return text
}

// answered is the error of an answer that says that nothing was done.
func (c *Client) answered(ctx context.Context, a *answer) error {
	switch {
	case throttling(a.code), a.status == http.StatusTooManyRequests:
		c.budget.Throttled(a.after)
		return &batch.Again{Err: fmt.Errorf("%w: %w", register.ErrThrottled, a), After: a.after}
	case clockCode(a.code) && c.skewed.CompareAndSwap(false, true):
		// If it was the clock: Amazon's library signs by the service's from now on.
		return &batch.Again{Err: c.refusal(a), After: time.Millisecond}
	case a.code == "NoSuchHostedZone":
		account, _ := c.opened()
		c.setOpened(account, c.cfg.ZoneID)
	case expired(a.code), unknownKey(a.code): // other ones may have been laid down meanwhile
		_, zoneID := c.opened()
		c.setOpened(nil, zoneID)
	}
	return c.refusal(a)
}

// refusal is the error with what to do about it, if the service refuses this
// caller.
func (c *Client) refusal(a *answer) error {
	do := c.remedy(a)
	if do == "" {
		return a
	}
	said := a.Error()
	if clockCode(a.code) { // the rest quotes the request that was signed
		said = a.brief() + ": the service does not accept the signature"
	}
	return &register.Problem{Err: fmt.Errorf("%w: %s", register.ErrRefused, said), Do: do, Config: a.code == "NoSuchHostedZone"}
}

// remedy is what to do about a refusal; empty: it is none.
func (c *Client) remedy(a *answer) string {
	switch {
	case a.code == "NoSuchHostedZone":
		return "set dns.zone_id to the id of a hosted zone of this account: aws route53 list-hosted-zones-by-name --dns-name " + plainName(c.zone)
	case denied(a.code):
		return "allow the action to these credentials, for this zone and name: solotick keygen policy prints what"
	case clockCode(a.code) && a.skew().Abs() > tolerance:
		return "set this machine's clock, which is " + ahead(a.skew()) + " (chronyc tracking), or copy the secret access key again"
	case clockCode(a.code):
		return "copy the secret access key again: it is not the one of this access key id"
	case expired(a.code):
		return "get new credentials: aws sts get-caller-identity says whether they work"
	case unknownKey(a.code):
		return "check the access key: it is not known, not active, or its session token is missing; aws sts get-caller-identity says whether it works"
	case a.code == "MissingAuthenticationToken", a.code == "MissingAuthenticationTokenException", a.code == "IncompleteSignature":
		return "check the endpoint, and what is between here and there: the signature did not arrive whole"
	case a.code == "OptInRequired", a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return "check in Amazon's console that the account is active and may use Route 53"
	}
	return ""
}

// tolerance is how old a signature may be (IAM User Guide, "Elements of an AWS API
// request signature"), less what a round trip takes.
const tolerance = 4 * time.Minute

func ahead(skew time.Duration) string {
	if skew < 0 {
		return (-skew).String() + " behind the service's"
	}
	return skew.String() + " ahead of the service's"
}

func throttling(code string) bool {
	return slices.Contains([]string{"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled", "TooManyRequestsException"}, code)
}

func denied(code string) bool {
	return slices.Contains([]string{"AccessDenied", "AccessDeniedException", "NotAuthorizedException", "UnauthorizedOperation"}, code)
}

func clockCode(code string) bool {
	return slices.Contains([]string{"SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"}, code)
}

func expired(code string) bool {
	return slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}, code)
}

func unknownKey(code string) bool {
	return slices.Contains([]string{"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"}, code)
}

// plain is an error of a request without an answer, without what Amazon's library
// says around it.
func plain(ctx context.Context, err error) error {
	var send *smithyhttp.RequestSendError
	switch {
	case errors.As(err, &send):
		return send.Err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return errors.New(line(err.Error()))
}

// line is the first line of a text that is not ours, shortened.
func line(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(text)))
	if len(runes) > 400 {
		runes = append(runes[:400], []rune("...")...)
	}
	return string(runes)
}
