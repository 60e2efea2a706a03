package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/solotick/solotick/internal/expression"
)

// fromElsewhere finds what comes from elsewhere in a text.
var fromElsewhere = regexp.MustCompile(elsewhere)

// maxSecretFile is the size of a file that ${file:} reads at most.
const maxSecretFile = 64 << 10

// interpolate replaces ${env:NAME}, ${env:NAME:-default}, ${file:/path},
// ${credential:NAME} and ${vcap:service.path}. It says whether anything was
// replaced.
func (w *walker) interpolate(text string) (result string, replaced bool, err error) {
	pieces, err := w.pieces(text)
	if err != nil {
		return "", false, err
	}
	result, replaced = joined(pieces)
	return result, replaced, nil
}

// pieces are what a text stands for, with what came from elsewhere as a secret.
func (w *walker) pieces(text string) ([]expression.Piece, error) {
	return expand(text, func(inside string) (string, error) {
		if err := w.granted(inside); err != nil {
			return "", err
		}
		value, err := fetch(inside)
		w.note(err)
		if err == nil && value != "" {
			w.parts = append(w.parts, value)
		}
		return value, err
	})
}

// joined is the text that pieces are of, and whether any of it came from
// elsewhere.
func joined(pieces []expression.Piece) (text string, replaced bool) {
	for _, p := range pieces {
		text += p.Text
		replaced = replaced || p.Secret
	}
	return text, replaced
}

// expand replaces every ${...} by what value says of its inside; $${ stands for
// ${.
func expand(text string, value func(inside string) (string, error)) ([]expression.Piece, error) {
	var all []expression.Piece
	plain, length := "", 0
	flush := func() {
		if plain != "" {
			all = append(all, expression.Piece{Text: plain})
		}
		plain = ""
	}
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			plain += text
			flush()
			return all, nil
		}
		if i > 0 && text[i-1] == '$' {
			plain += text[:i-1] + "${"
			text = text[i+2:]
			continue
		}
		plain += text[:i]
		flush()
		inside, rest, ok := strings.Cut(text[i+2:], "}")
		if !ok {
			return nil, problem{"${ without }", "write $${ for the two characters themselves"}
		}
		v, err := value(inside)
		if err != nil {
			return nil, err
		}
		all = append(all, expression.Piece{Text: v, Secret: true})
		if length += len(v); length > maxFile {
			return nil, problem{"is longer than 1 MiB with what stands for ${...}", ""}
		}
		text = rest
	}
}

// granted says whether a text may have what stands for the inside of ${}: a list
// of jobs from elsewhere only what the agent's own file names.
func (w *walker) granted(inside string) error {
	if w.allow == nil {
		return nil
	}
	kind, arg, _ := strings.Cut(inside, ":")
	name, _, _ := strings.Cut(arg, ":-")
	switch {
	case kind == "env" && !slices.Contains(w.allow.Env, name):
		return problem{fmt.Sprintf("a job from elsewhere may not have the environment variable %s", name), fmt.Sprintf("jobs_from: { allow: { env: [%s] } } in the agent's own file", name)}
	case kind == "file" && !slices.Contains(w.allow.Files, arg):
		return problem{fmt.Sprintf("a job from elsewhere may not have the file %s", arg), fmt.Sprintf("jobs_from: { allow: { files: [%s] } } in the agent's own file", arg)}
	case kind == "credential":
		return problem{"a job from elsewhere may not have a credential of the agent's service", "${env:NAME}, with jobs_from: { allow: { env: [NAME] } } in the agent's own file"}
	case kind == "vcap":
		return problem{"a job from elsewhere may not have the credentials of a service", "${env:NAME}, with jobs_from: { allow: { env: [NAME] } } in the agent's own file"}
	}
	return nil
}

// A problem is a mistake with its remedy.
type problem struct{ message, hint string }

func (p problem) Error() string { return p.message }

// An absence is a problem of the machine and not of the text: what the text names is
// not there.
type absence struct{ problem }

func (a absence) Unwrap() error { return a.problem }

// note counts what is not there.
func (w *walker) note(err error) {
	if errors.As(err, new(absence)) {
		w.absent++
	}
}

// fetch returns what stands for the inside of ${}. No error quotes a value.
func fetch(inside string) (string, error) {
	kind, arg, ok := strings.Cut(inside, ":")
	switch {
	case ok && kind == "env":
		name, def, hasDefault := strings.Cut(arg, ":-")
		if value, set := os.LookupEnv(name); set && (value != "" || !hasDefault) {
			return value, nil
		}
		if hasDefault {
			return def, nil
		}
		return "", absence{problem{fmt.Sprintf("the environment variable %s is not set", name), fmt.Sprintf("set it, or give a default: ${env:%s:-...}", name)}}
	case ok && kind == "file":
		return fetchFile(arg)
	case ok && kind == "credential":
		return fetchCredential(arg)
	case ok && kind == "vcap":
		return fetchService(arg)
	}
	hint := "known are ${env:NAME}, ${env:NAME:-default}, ${file:/path}, ${credential:NAME} and ${vcap:service.path}; write $${ for the two characters themselves"
	if !ok && isVariable(inside) {
		hint = fmt.Sprintf("write ${env:%s}; or $${ for the two characters themselves", inside)
	}
	return "", problem{fmt.Sprintf("${%s} is nothing that can be replaced", inside), hint}
}

func fetchFile(path string) (string, error) {
	if !strings.HasPrefix(path, "/") && !filepath.IsAbs(path) { // on Windows either will do
		return "", problem{fmt.Sprintf("${file:%s} is not an absolute path", path), "an agent may be started anywhere: write the path from the root"}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", absence{problem{err.Error(), "the agent's user has to be able to read it"}}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", absence{problem{err.Error(), ""}}
	}
	if len(data) > maxSecretFile {
		return "", problem{fmt.Sprintf("%s is larger than 64 KiB", path), ""}
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

// fetchCredential reads what the service manager has handed over: LoadCredential=
// of systemd puts a file for each name into the folder that
// $CREDENTIALS_DIRECTORY names (systemd.exec(5)).
func fetchCredential(name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return "", problem{fmt.Sprintf("${credential:%s} is no name of a credential", name), "the name that LoadCredential= gives it: no path"}
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); !strings.HasPrefix(dir, "/") {
		return "", absence{problem{"CREDENTIALS_DIRECTORY does not name a folder by an absolute path", fmt.Sprintf("systemd sets it, with LoadCredential=%s:/path in the unit; in a shell name the folder that holds the file %s", name, name)}}
	}
	return fetchFile(credentialPath(name))
}

func credentialPath(name string) string {
	return filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), name)
}

// fetchService finds service.path in VCAP_SERVICES, as Cloud Foundry gives it:
// the service instance by its name, the path within its credentials.
func fetchService(arg string) (string, error) {
	text, ok := os.LookupEnv("VCAP_SERVICES")
	if !ok {
		return "", absence{problem{"VCAP_SERVICES is not set", "${vcap:} is for Cloud Foundry with a bound service"}}
	}
	var services map[string][]struct {
		Name        string         `json:"name"`
		Credentials map[string]any `json:"credentials"`
	}
	if json.Unmarshal([]byte(text), &services) != nil {
		return "", problem{"VCAP_SERVICES is not the JSON that Cloud Foundry gives", ""}
	}
	service, path, _ := strings.Cut(arg, ".")
	for _, instances := range services {
		for _, instance := range instances {
			if instance.Name != service {
				continue
			}
			var at any = instance.Credentials
			for step := range strings.SplitSeq(path, ".") {
				at = descend(at, step)
			}
			switch v := at.(type) {
			case string:
				return v, nil
			case float64:
				return strconv.FormatFloat(v, 'f', -1, 64), nil
			case bool:
				return strconv.FormatBool(v), nil
			}
			return "", absence{problem{fmt.Sprintf("the credentials of service %q hold no text at %q", service, path), ""}}
		}
	}
	return "", absence{problem{fmt.Sprintf("no service %q is bound", service), "cf bind-service; the name is that of the service instance"}}
}

func descend(v any, step string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[step]
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// isVariable says whether name may be a variable of the environment.
func isVariable(name string) bool {
	for i, c := range name {
		switch {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return name != ""
}
