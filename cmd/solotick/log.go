package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// logFlags choose what an agent logs, and how. The log goes to stderr.
type logFlags struct {
	format, level string
}

func (f *logFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.format, "log-format", "auto", "log lines: text, json, or auto: text on a terminal, else json")
	c.Flags().StringVar(&f.level, "log-level", "info", "least level to log: debug, info, warn or error")
}

func (a *app) logger(f logFlags) (*slog.Logger, error) {
	var level slog.Level
	switch f.level {
	case "debug", "info", "warn", "error":
		_ = level.UnmarshalText([]byte(f.level)) // these four always parse
	default:
		return nil, usage("--log-level %q: want debug, info, warn or error", f.level)
	}
	text := isTerminal(a.stderr)
	switch f.format {
	case "auto":
	case "text", "json":
		text = f.format == "text"
	default:
		return nil, usage("--log-format %q: want auto, text or json", f.format)
	}
	if text {
		return slog.New(adviser{&lineHandler{level: level, w: a.stderr, paint: a.paint, mu: new(sync.Mutex)}}), nil
	}
	return slog.New(adviser{slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: inSeconds})}), nil
}

// inSeconds writes durations as a number of seconds. JSON has no form for them, and
// slog's nanoseconds are told from other numbers by their size alone.
func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	}
	return a
}

// A lineHandler writes short lines for people: time, level unless it is info,
// job, message, and the rest as key=value.
type lineHandler struct {
	level  slog.Level
	w      io.Writer
	paint  func(io.Writer, tone, string) string
	mu     *sync.Mutex // of w, shared by all that come from With
	job    string
	fields string // "key=value" of With, each with a space in front
	group  string // in front of every key, with its dot
}

func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *lineHandler) WithGroup(name string) slog.Handler {
	g := *h
	g.group += name + "."
	return &g
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	g := *h
	var b bytes.Buffer
	for _, a := range attrs {
		if a.Key == "job" && g.group == "" {
			g.job = a.Value.String()
			continue
		}
		writeField(&b, g.group, a)
	}
	g.fields += b.String()
	return &g
}

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b, fields bytes.Buffer
	job := h.job
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "job" && h.group == "" {
			job = a.Value.String()
		} else {
			writeField(&fields, h.group, a)
		}
		return true
	})
	b.WriteString(h.paint(h.w, neutral, r.Time.Format("15:04:05.000")))
	b.WriteByte(' ')
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString(h.paint(h.w, bad, r.Level.String()) + " ")
	case r.Level >= slog.LevelWarn:
		b.WriteString(h.paint(h.w, doubtful, r.Level.String()) + " ")
	case r.Level < slog.LevelInfo:
		b.WriteString(h.paint(h.w, neutral, r.Level.String()) + " ")
	}
	if job != "" {
		b.WriteString(plain(job) + ": ")
	}
	b.WriteString(r.Message)
	b.WriteString(h.fields)
	b.Write(fields.Bytes())
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(b.Bytes())
	return err
}

func writeField(b *bytes.Buffer, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, sub := range v.Group() {
			writeField(b, group, sub)
		}
		return
	}
	text := v.String()
	if v.Kind() == slog.KindTime {
		text = v.Time().Format(time.RFC3339)
	}
	if text == "" || strings.ContainsAny(text, " \"=") || plain(text) != text {
		text = fmt.Sprintf("%q", text)
	}
	fmt.Fprintf(b, " %s%s=%s", group, a.Key, text)
}
