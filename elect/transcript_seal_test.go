package elect_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// The keys of stories are numbers, and this is the name of the record.
const storyName = "job.example.com"

func sealKey(n int) seal.Key        { return seal.NewKey([32]byte{byte(n)}) }
func signKey(n int) seal.SigningKey { return seal.NewSigningKey([32]byte{byte(n)}) }

// keyring reads what a command says of keys.
func keyring(t *testing.T, d *datadriven.TestData, args []datadriven.CmdArg) record.Form {
	var r seal.Ring
	at := storyName
	accepts := map[string]seal.Accept{"refuse": seal.Refuse, "read": seal.Read, "write": seal.Write}
	for _, arg := range args {
		for _, v := range arg.Vals {
			n, err := strconv.Atoi(v)
			switch arg.Key {
			case "seals":
				check(t, d, err)
				r.Seal = append(r.Seal, sealKey(n))
			case "signs":
				check(t, d, err)
				r.Sign = signKey(n)
			case "verifies":
				check(t, d, err)
				r.Verify = append(r.Verify, signKey(n).Public())
			case "plain":
				r.Plain = accepts[v]
			case "unsigned":
				r.Unsigned = accepts[v]
			case "at":
				at = v
			}
		}
	}
	return r.Form(at)
}

// protected are the texts below a command; what stands before ": {" says with which
// keys they are written.
func protected(t *testing.T, d *datadriven.TestData) (texts []string) {
	for line := range strings.Lines(strings.TrimSpace(d.Input)) {
		line = strings.TrimSpace(line)
		keys, text, ok := strings.Cut(line, ": {")
		if !ok {
			texts = append(texts, line)
			continue
		}
		_, args, err := datadriven.ParseLine("put " + keys)
		check(t, d, err)
		texts = append(texts, keyring(t, d, args).Close("{"+text))
	}
	return texts
}

// opened is a text as stories show it, with what protects it.
func opened(text string) string {
	for n := range 4 {
		ring := seal.Ring{Seal: []seal.Key{sealKey(n)}}
		if plain, by, err := ring.Form(storyName).Open(text); err == nil && by.Sealed != "" {
			return fmt.Sprintf("sealed by %d: %s", n, opened(plain))
		}
		ring = seal.Ring{Verify: []seal.VerifyKey{signKey(n).Public()}}
		if _, by, err := ring.Form(storyName).Open(text); err == nil && by.Signer != "" {
			return fmt.Sprintf("signed by %d: %s}", n, text[:strings.Index(text, `,"sig":`)])
		}
	}
	if strings.HasPrefix(text, record.SealedPrefix) {
		return "a sealed text that opens for nobody here"
	}
	return text
}
