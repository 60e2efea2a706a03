package conformance

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// savedSchema names the form of a file of [Save].
const savedSchema = "solotick.conformance-result/v1"

// ErrDamaged says that a file with a result cannot be used.
var ErrDamaged = errors.New("the file with the result of solotick conformance is damaged")

// A Saved is how a run went, for whoever asks later. It is found again by its first
// three fields.
type Saved struct {
	Provider string `json:"provider"`
	Zone     string `json:"zone"`
	// Account is a hint at whose credential it was, such as the name of a key; no
	// secret, since it is written down.
	Account string `json:"account,omitempty"`

	When    time.Time      `json:"when"`
	Version string         `json:"version"` // of the program
	Class   register.Class `json:"class"`   // that was declared then
	Passed  bool           `json:"passed"`
}

// StateDir is where results are kept: $STATE_DIRECTORY under systemd (the first, if
// it has several), else $XDG_STATE_HOME/solotick, else ~/.local/state/solotick.
func StateDir(env func(string) string) (string, error) {
	if first, _, _ := strings.Cut(env("STATE_DIRECTORY"), ":"); first != "" {
		return first, nil
	}
	if dir := env("XDG_STATE_HOME"); filepath.IsAbs(dir) { // the XDG specification: others are to be ignored
		return filepath.Join(dir, "solotick"), nil
	}
	home := cmp.Or(env("HOME"), env("USERPROFILE"))
	if home == "" {
		return "", errors.New("no place for results: none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set")
	}
	return filepath.Join(home, ".local", "state", "solotick"), nil
}

// path is the file of a result. The names of zones and accounts may hold anything.
func (s Saved) path(dir string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.Provider, s.Zone, s.Account}, "\x00")))
	return filepath.Join(dir, "conformance-"+hex.EncodeToString(sum[:8])+".json")
}

func (s Saved) normal() Saved {
	s.Zone = strings.ToLower(strings.TrimSuffix(s.Zone, "."))
	return s
}

// Save writes a result to a file of its own below dir, in the place of an earlier
// one.
func Save(dir string, s Saved) error {
	s = s.normal()
	data, err := json.MarshalIndent(struct {
		Schema string `json:"schema"`
		Saved
	}{savedSchema, s}, "", "  ")
	if err != nil {
		return fmt.Errorf("conformance: save: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("conformance: save: %w", err)
	}
	// A reader finds the old file or the new one, and never half of one.
	f, err := os.CreateTemp(dir, ".conformance-*")
	if err != nil {
		return fmt.Errorf("conformance: save: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path(dir))
	}
	if err != nil {
		return fmt.Errorf("conformance: save: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Find reads the result for a provider, zone and account. The error wraps
// [fs.ErrNotExist] if there is none, and [ErrDamaged], with the path, if it cannot
// be used.
func Find(dir, provider, zone, account string) (Saved, error) {
	want := Saved{Provider: provider, Zone: zone, Account: account}.normal()
	path := want.path(dir)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Saved{}, fmt.Errorf("conformance: no result for %s in %s: %w", provider, want.Zone, fs.ErrNotExist)
	}
	if err != nil {
		return Saved{}, fmt.Errorf("conformance: %w", err)
	}
	var got struct {
		Schema string `json:"schema"`
		Saved
	}
	switch err := json.Unmarshal(data, &got); {
	case err != nil:
		return Saved{}, fmt.Errorf("conformance: %s: %w: %w", path, ErrDamaged, err)
	case got.Schema != savedSchema:
		return Saved{}, fmt.Errorf("conformance: %s: %w: schema %q, want %q", path, ErrDamaged, got.Schema, savedSchema)
	case got.Provider != want.Provider || got.Zone != want.Zone || got.Account != want.Account || got.When.IsZero():
		return Saved{}, fmt.Errorf("conformance: %s: %w: it is for %s in %q", path, ErrDamaged, got.Provider, got.Zone)
	}
	return got.Saved, nil
}
