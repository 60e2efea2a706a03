package source_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/solotick/solotick/source"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "jobs.yaml")

	jobs, err := source.New(source.Options{URL: "file://" + filepath.ToSlash(path)})
	if err != nil {
		log.Fatal(err)
	}
	defer jobs.Close()
	for _, text := range []string{"", "jobs: {}", "jobs: {}", "jobs: {canary: {every: 60s}}"} {
		if text != "" {
			os.WriteFile(path, []byte(text), 0o600)
		}
		switch doc, err := jobs.Fetch(context.Background()); {
		case errors.Is(err, source.ErrNotFound):
			fmt.Println("not there yet: the last good list is kept")
		case err != nil:
			log.Fatal(err)
		case doc.Changed:
			fmt.Printf("new: %s\n", doc.Text)
		default:
			fmt.Println("as it was")
		}
	}
	// Output:
	// not there yet: the last good list is kept
	// new: jobs: {}
	// as it was
	// new: jobs: {canary: {every: 60s}}
}
