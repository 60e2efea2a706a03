package main

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/seal"
)

func (a *app) keygenSealCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "seal", Short: "Make a key that seals records, so that nobody without it reads them",
		Long: `Make a key that seals records. It goes to a new file that only you can read: every
agent needs it, and whoever is to read the records; nobody else. What to write into
solotick.yaml is printed. The line "plain" is for turning it on without missing a tick:
once all records are sealed, and for a new job at once, leave it out.`,
		Example: "  solotick keygen seal\n  solotick keygen seal -o seal-2.key",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			k := seal.NewKey(randomSecret())
			text := fmt.Sprintf("# Solotick: the seal key %s. Whoever has it can read the records that it seals, and\n# write new ones. Keep it secret.\n%s\n", k.ID(), k.Secret())
			if err := newSecretFile(file, text, "a record that is sealed with the old key would never open again"); err != nil {
				return err
			}
			fmt.Fprintf(a.stderr, "The seal key %s is in %s (mode 0600). Every agent needs it, and who is to read the records.\n\n", k.ID(), file)
			return a.sayf("# --- In solotick.yaml on every agent:\n# seal:\n#   keys: [\"${file:%s}\"]\n#   plain: write   # where agents run already: they still write plain records; when all have the key: read; when all records are sealed, and for a new job: leave it out\n", absolute(file))
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "solotick-seal.key", "the key's file, which must not exist")
	return c
}

func (a *app) keygenSignCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "sign", Short: "Make a pair of keys: one signs records, the other verifies that an agent wrote them",
		Long: `Make a key that signs records, and its public half, by which everybody can tell that
an agent wrote a record. The secret half goes to a new file that only you can read, for
the agents. The public one is printed; what is printed is also a file that --key takes.
Agents may share a pair, or each have its own and know all public halves.`,
		Example: "  solotick keygen sign\n  solotick keygen sign -o web1-sign.key > web1-verify.key",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			k := seal.NewSigningKey(randomSecret())
			text := fmt.Sprintf("# Solotick: the signing key %s. Whoever has it can write records as an agent does.\n# Keep it secret. Its public half, for everybody:\n# %s\n%s\n", k.Public().ID(), k.Public(), k.Secret())
			if err := newSecretFile(file, text, "records would be signed by a key that nobody knows"); err != nil {
				return err
			}
			fmt.Fprintf(a.stderr, "The signing key is in %s (mode 0600), for the agents. Its public half, %s, is for everybody.\n\n", file, k.Public().ID())
			return a.sayf("# --- In solotick.yaml on every agent:\n# sign:\n#   key: ${file:%s}\n#   verify: [%s]\n"+
				"#   unsigned: write   # where agents run already: they still write unsigned records; when all have the key: read; when all records are signed, and for a new job: leave it out\n"+
				"# --- The public half, for who verifies: --key FILE\n%[2]s\n", absolute(file), k.Public())
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "solotick-sign.key", "the secret half's file, which must not exist")
	return c
}

func randomSecret() (secret [32]byte) {
	rand.Read(secret[:]) // never fails
	return secret
}

// absolute is a path as a file may hold it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return strings.ReplaceAll(path, "\n", " ") // into a comment
}
