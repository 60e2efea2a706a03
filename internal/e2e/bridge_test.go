package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/rfc2136"
)

// bridgeWord as the first argument makes this binary the program of a register: it
// writes to a real server, while agents look at another one than that.
const bridgeWord = "bridge"

// bridgeCommand is the value of command: for a place.
func bridgeCommand(at *place, key string) string {
	self, err := os.Executable()
	if err != nil {
		panic(err) // it has been asked for before
	}
	return fmt.Sprintf("[%q, %q, %q, %q, %q]", self, bridgeWord, at.addr, strings.TrimSuffix(at.zone, "."), key)
}

// bridge answers one request of the provider "command" (docs/providers.md).
func bridge(args []string) int {
	var ask struct {
		Op, Name string
		Old      struct {
			Texts []string
			Tag   string
		}
		New []string
	}
	answer := map[string]any{}
	err := json.NewDecoder(os.Stdin).Decode(&ask)
	var s register.Snapshot
	if err == nil {
		s, err = cross(args[0], args[1], args[2], ask.Name, ask.Op == "swap", register.Snapshot{Texts: ask.Old.Texts, Tag: ask.Old.Tag}, ask.New)
	}
	switch {
	case err == nil && ask.Op == "swap":
		answer["outcome"] = "done"
	case err == nil:
		answer["outcome"] = "ok"
	case errors.Is(err, register.ErrConflict):
		answer["outcome"] = "conflict"
	case errors.Is(err, register.ErrUncertain):
		answer["outcome"] = "uncertain"
	case errors.Is(err, register.ErrRefused):
		answer["outcome"] = "refused"
	default:
		answer["outcome"] = "failed"
	}
	if err != nil {
		answer["message"] = err.Error()
	} else {
		answer["texts"], answer["tag"], answer["time"] = append([]string{}, s.Texts...), base64.StdEncoding.EncodeToString([]byte(s.Tag)), s.Time.Unix()
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		return 1
	}
	return 0
}

func cross(addr, zone, keyFile, name string, swap bool, old register.Snapshot, texts []string) (register.Snapshot, error) {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return register.Snapshot{}, err
	}
	key, err := rfc2136.ParseKey(string(text))
	if err != nil {
		return register.Snapshot{}, err
	}
	client, err := rfc2136.New(rfc2136.Config{Server: addr, Zone: zone, Key: key, TTL: time.Minute, Timeout: 3 * time.Second})
	if err != nil {
		return register.Snapshot{}, err
	}
	r, err := client.Register(name)
	if err != nil {
		return register.Snapshot{}, err
	}
	ctx := context.Background()
	if !swap {
		return r.Load(ctx)
	}
	raw, err := base64.StdEncoding.DecodeString(old.Tag) // it need not be UTF-8, as JSON is
	if err != nil {
		return register.Snapshot{}, err
	}
	return r.Swap(ctx, register.Snapshot{Texts: old.Texts, Tag: string(raw)}, texts)
}
