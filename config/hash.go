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

// shareSum takes down what all jobs have in common: the defaults, and all that came
// from elsewhere so far.
func (w *walker) shareSum(defaults *yaml.Node) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", w.common, w.sum(defaults))
	for _, one := range w.remembered {
		fmt.Fprintf(h, "%q\n", one)
	}
	w.ofAll = hex.EncodeToString(h.Sum(nil))
}

// hashOf is a job's [Job.Hash]: of what the file says of it, and of all that
// came from elsewhere for it.
func (w *walker) hashOf(mark int, n *yaml.Node) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", w.ofAll, w.sum(n))
	for _, one := range w.remembered[mark:] {
		fmt.Fprintf(h, "%q\n", one)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hashNode writes what a node says. What an alias stands for is the whole text,
// so to say: aliases can be nested so that there is no end to them.
func (w *walker) hashNode(h io.Writer, n *yaml.Node) {
	fmt.Fprintf(h, "%d %d %q %q\n", n.Kind, len(n.Content), n.ShortTag(), n.Value)
	if n.Kind == yaml.AliasNode {
		fmt.Fprintln(h, w.wholeText())
		return
	}
	for _, c := range n.Content {
		w.hashNode(h, c)
	}
}
