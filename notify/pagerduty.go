package notify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/solotick/solotick/internal/web"
)

// PagerDutyURL is where PagerDuty takes events.
const PagerDutyURL = "https://events.pagerduty.com/v2/enqueue"

// A PagerDuty sends events of its Events API v2: one that fires triggers an
// alert, and one that has cleared resolves it, whoever sends it. A reminder and
// a message that is sent twice are added to the alert that there is. A condition
// that fired and cleared, and a test, trigger an alert and resolve it.
type PagerDuty struct {
	RoutingKey Secret // the integration key of a service
	URL        string // empty: PagerDutyURL

	Client *web.Client // nil: one with two retries

	sender sender
}

// Check says what is wrong with the fields.
func (p *PagerDuty) Check() error {
	if p.RoutingKey.IsZero() {
		return errors.New("pagerduty: routing_key is missing")
	}
	if err := checkURL("url", NewSecret(cmp.Or(p.URL, PagerDutyURL))); err != nil {
		return fmt.Errorf("pagerduty: %w", err)
	}
	return nil
}

const (
	pagerDutySummaryLimit = 1000 // of 1,024 characters
	pagerDutyTextLimit    = 20000
)

// Notify implements [Notifier]. The ref is always empty: the job and the alert
// are what joins events.
func (p *PagerDuty) Notify(ctx context.Context, m *Message) (string, error) {
	if err := p.Check(); err != nil {
		return "", err
	}
	var actions []string
	switch m.Kind {
	case Cleared:
		actions = []string{"resolve"}
	case Passed, Test:
		actions = []string{"trigger", "resolve"}
	default:
		actions = []string{"trigger"}
	}
	for i, action := range actions {
		event := p.event(m, action)
		if _, err := post(ctx, p.sender.use(p.Client), "pagerduty", cmp.Or(p.URL, PagerDutyURL), event, p.RoutingKey, NewSecret(p.URL)); err != nil {
			return "", halfway(err, i)
		}
	}
	return "", nil
}

// event is the document of one event.
func (p *PagerDuty) event(m *Message, action string) map[string]any {
	severity := m.Severity
	switch severity {
	case Info, Warning, Error, Critical:
	default:
		severity = Error
	}
	details := map[string]any{"kind": m.Kind, "attempt": m.Attempt, "fence": m.Fence, "key": m.Key()}
	if text := clean(m.Text); text != "" {
		details["text"] = cut(text, pagerDutyTextLimit, runes)
	}
	if m.Agent != "" {
		details["agent"] = m.Agent
	}
	if !m.Since.IsZero() {
		details["since"] = rfc3339(m.Since)
	}
	if remarks := m.remarks(); len(remarks) > 0 {
		details["remarks"] = remarks
	}
	payload := map[string]any{
		"summary":  cut(m.headline(), pagerDutySummaryLimit, utf16s),
		"source":   cmp.Or(oneLine(m.Job), "solotick"),
		"severity": severity, "component": oneLine(m.Alert), "class": m.Kind, "custom_details": details,
	}
	if !m.Tick.IsZero() {
		payload["timestamp"] = rfc3339(m.Tick)
	}
	return map[string]any{
		"routing_key": p.RoutingKey.reveal(), "event_action": action, "dedup_key": dedupKey(m),
		"client": "solotick", "payload": payload,
	}
}

// dedupKey names the alert at PagerDuty, in at most 255 characters. A test has one
// of its own, so that it resolves nothing else.
func dedupKey(m *Message) string {
	key := "solotick/" + m.Job + "/" + m.Alert
	if m.Kind == Test {
		key += "/test"
	}
	if len(key) > 255 {
		sum := sha256.Sum256([]byte(key))
		key = "solotick/" + hex.EncodeToString(sum[:])
	}
	return key
}
