package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/internal/manual"
)

func (a *app) manualCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "manual [COMMAND...]", Short: "Print a manual page, or write all of them",
		Long: `Print the manual page of a command or a topic, for man. With -o, write all pages to
a folder instead, where man finds them: those of commands, of topics, and of the file.`,
		Example: "  solotick manual exec | man -l -\n  solotick manual -o ~/.local/share/man",
		RunE: func(cmd *cobra.Command, args []string) error {
			pages, err := a.manual(cmd.Root())
			switch {
			case err != nil:
				return err
			case dir == "":
				return a.printPage(pages, args)
			case len(args) > 0:
				return usage("-o writes all pages: want no command beside it")
			}
			if err := writePages(dir, pages); err != nil {
				return &failure{
					code: exitFailed, err: fmt.Errorf("cannot write the pages: %w", err),
					do: "name a folder that is yours to write to, or that can be made: solotick manual -o ~/.local/share/man",
				}
			}
			return nil
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "", "a `FOLDER` to write all pages to; older ones are replaced")
	return c
}

// manual is all pages. They have the date of the commit, or of $SOURCE_DATE_EPOCH.
func (a *app) manual(root *cobra.Command) ([]manual.Page, error) {
	b := buildInfo()
	e := manual.Edition{Version: b.Version}
	if text := a.env("SOURCE_DATE_EPOCH"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < 0 {
			return nil, usage("SOURCE_DATE_EPOCH=%q: want an epoch second", text)
		}
		e.Date = time.Unix(seconds, 0)
	} else if t, err := time.Parse(time.RFC3339, b.Time); err == nil {
		e.Date = t
	}
	see := []string{"solotick(1)", "solotick-validate(1)", "solotick-expressions(7)"}
	file, err := manual.File("solotick.yaml", "the configuration of solotick", config.Schema(), see, e)
	if err != nil {
		return nil, err
	}
	record := manual.Topic("solotick-record", 5, "the record of a job", recordKeys, []string{"solotick-record(1)", "solotick(1)"}, e)
	return append(manual.Commands(root, e), file, record), nil
}

func (a *app) printPage(pages []manual.Page, args []string) error {
	want := strings.Join(append([]string{"solotick"}, args...), "-")
	var names []string
	for _, p := range pages {
		if p.Name == want || len(args) == 1 && p.Name == args[0] {
			_, err := a.stdout.Write(p.Text)
			return err
		}
		names = append(names, strings.TrimPrefix(p.Name, "solotick-"))
	}
	want = strings.TrimPrefix(want, "solotick-")
	return usage("there is no page %q%s", want, cmp.Or(didYouMean("", want, names), "; solotick --help names the commands"))
}

func writePages(dir string, pages []manual.Page) error {
	for _, p := range pages {
		section := filepath.Join(dir, fmt.Sprint("man", p.Section))
		if err := os.MkdirAll(section, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(section, p.File()), p.Text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
