package steps

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/solotick/solotick/internal/expression"
)

// maxExcerpt is how much of a text is looked at for its beginning.
const maxExcerpt = 256 << 10

// excerpt is the beginning of what came back from a step, for errors and people's
// eyes, without the secrets that the step has sent: who is asked may repeat them.
func (s *Step) excerpt(vars map[string]any, text string, n int) string {
	return clip(s.masked(vars, text[:min(len(text), maxExcerpt)]), n)
}

// masked is a text without the secrets that the step has sent, and more of them.
func (s *Step) masked(vars map[string]any, text string, more ...string) string {
	var all []string
	for _, secret := range append(s.secrets(vars), more...) {
		all = append(all, forms(secret)...)
	}
	// What holds another one comes first.
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, one := range all {
		text = strings.ReplaceAll(text, one, "***")
	}
	parts, notes := leftOut.Split(text, -1), leftOut.FindAllString(text, -1)
	for i := range notes {
		parts[i] = maskEnd(parts[i], all) + notes[i]
		parts[i+1] = maskBegin(parts[i+1], all)
	}
	return strings.Join(parts, "")
}

// maskEnd hides what is left of a secret whose end was left out. Three characters
// tell little, and are found in any text.
func maskEnd(text string, secrets []string) string {
	for n := min(len(text), longest(secrets)-1); n > 3; n-- {
		for _, one := range secrets {
			if strings.HasPrefix(one, text[len(text)-n:]) {
				return text[:len(text)-n] + "***"
			}
		}
	}
	return text
}

// maskBegin hides what is left of a secret whose beginning was left out.
func maskBegin(text string, secrets []string) string {
	for n := min(len(text), longest(secrets)-1); n > 3; n-- {
		for _, one := range secrets {
			if strings.HasSuffix(one, text[:n]) {
				return "***" + text[n:]
			}
		}
	}
	return text
}

func longest(texts []string) int {
	n := 0
	for _, t := range texts {
		n = max(n, len(t))
	}
	return n
}

// secrets are all that the step sends, or gives to its command.
func (s *Step) secrets(vars map[string]any) []string {
	var all []string
	add := func(t *expression.Text) { all = append(all, t.Secrets()...) }
	fields := func(list []Field) {
		for i := range list {
			add(&list[i].Text)
		}
	}
	fields(s.Env)
	h := s.HTTP
	if h == nil {
		return all
	}
	add(&h.URL)
	fields(h.Header)
	if text, err := h.URL.Render(vars); err == nil && h.URL.Secret() {
		if u, err := url.Parse(text); err == nil && u.User != nil {
			password, _ := u.User.Password()
			all = append(all, password, base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
		}
	}
	if b := h.Body; b != nil {
		fields(b.Form)
		if b.Text != nil {
			add(b.Text)
		}
		b.JSON.texts(add)
	}
	return all
}

// texts calls do for each text in the value.
func (v *Value) texts(do func(*expression.Text)) {
	if v == nil {
		return
	}
	if v.Text != nil {
		do(v.Text)
	}
	for i := range v.List {
		v.List[i].texts(do)
	}
	for i := range v.Members {
		v.Members[i].Value.texts(do)
	}
}

// forms are how a secret may be repeated. What is shorter than four characters
// hides nothing, and would be found in any text.
func forms(secret string) []string {
	all := []string{secret, url.QueryEscape(secret), url.PathEscape(secret)}
	if text, err := json.Marshal(secret); err == nil {
		all = append(all, string(text[1:len(text)-1]))
	}
	if text, err := url.QueryUnescape(secret); err == nil {
		all = append(all, text)
	}
	if text, err := url.PathUnescape(secret); err == nil {
		all = append(all, text)
	}
	all = append(all, strings.ReplaceAll(strings.ReplaceAll(secret, `\`, `\\`), `"`, `\"`)) // as JSON that spares < > and &
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < 4 })
}
