package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"
)

// mark is where what is remembered from here on begins.
func (w *walker) mark() int { return len(w.remembered) }

// hashOf is a job's [Job.Hash]: of what the file says of it, and of all that
// came from elsewhere for it.
func (w *walker) hashOf(mark int, nodes ...*yaml.Node) string {
	h := sha256.New()
	for _, n := range nodes {
		fmt.Fprintln(h, "node")
		if n != nil {
			w.hashNode(h, n)
		}
	}
	for _, one := range append(w.remembered[:w.shared:w.shared], w.remembered[mark:]...) {
		fmt.Fprintf(h, "%q\n", one)
	}
	fmt.Fprintf(h, "%q", w.common)
	return hex.EncodeToString(h.Sum(nil))
}

// hashNode writes what a node says. What an alias stands for is the whole text,
// so to say: aliases can be nested so that there is no end to them.
func (w *walker) hashNode(h io.Writer, n *yaml.Node) {
	fmt.Fprintf(h, "%d %d %q %q\n", n.Kind, len(n.Content), n.ShortTag(), n.Value)
	if n.Kind == yaml.AliasNode {
		for _, line := range w.lines {
			fmt.Fprintf(h, "%q\n", line)
		}
		return
	}
	for _, c := range n.Content {
		w.hashNode(h, c)
	}
}
