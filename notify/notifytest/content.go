package notifytest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// readContent reads and checks what a message consists of, and puts it into m.
func readContent(c *call, m *Message) *refusal {
	_, hasText := c.args["text"]
	_, hasBlocks := c.args["blocks"]
	_, hasAttachments := c.args["attachments"]
	if c.text("text") == "" && !hasBlocks && !hasAttachments {
		return refuse("no_text")
	}
	if hasText {
		m.Text = c.text("text")
	}
	if hasBlocks {
		blocks, ok := list(c.args["blocks"])
		if !ok {
			return refuse("invalid_blocks_format")
		}
		if wrong := checkBlocks(blocks); len(wrong) > 0 {
			return refuse("invalid_blocks", wrong...)
		}
		m.Blocks = blocks
	}
	if hasAttachments {
		attachments, ok := list(c.args["attachments"])
		if !ok {
			return refuse("invalid_arguments", "[ERROR] attachments is no array of objects")
		}
		if refused := checkAttachments(attachments); refused != nil {
			return refused
		}
		m.Attachments = attachments
	}
	if v, ok := c.args["metadata"]; ok {
		metadata, refused := readMetadata(v)
		if refused != nil {
			return refused
		}
		m.Metadata = metadata
	}
	return nil
}

// list reads an array of objects, which is text in a form.
func list(v any) ([]map[string]any, bool) {
	if text, ok := v.(string); ok {
		if json.Unmarshal([]byte(text), &v) != nil {
			return nil, false
		}
	}
	items, ok := v.([]any)
	if !ok {
		return nil, false
	}
	all := make([]map[string]any, 0, len(items))
	for _, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, false
		}
		all = append(all, object)
	}
	return all, true
}

var attachmentFields = []string{
	"blocks", "color", "fallback", "text", "pretext", "title", "title_link", "author_name", "author_link", "author_icon",
	"fields", "footer", "footer_icon", "image_url", "thumb_url", "mrkdwn_in", "ts",
}

var color = regexp.MustCompile(`^(good|warning|danger|#[0-9A-Fa-f]{6})$`)

func checkAttachments(all []map[string]any) *refusal {
	if len(all) > 100 {
		return refuse("too_many_attachments")
	}
	for _, a := range all {
		for field := range a {
			if !slices.Contains(attachmentFields, field) {
				return refuse("invalid_arguments", fmt.Sprintf("[ERROR] attachment with unknown field %q", field))
			}
		}
		if v, ok := a["color"]; ok {
			if text, isText := v.(string); !isText || !color.MatchString(text) {
				return refuse("invalid_arguments", fmt.Sprintf("[ERROR] color %v", v))
			}
		}
		v, ok := a["blocks"]
		if !ok {
			continue
		}
		blocks, ok := list(v)
		if !ok {
			return refuse("invalid_blocks_format")
		}
		if wrong := checkBlocks(blocks); len(wrong) > 0 {
			return refuse("invalid_blocks", wrong...)
		}
	}
	return nil
}

// checkBlocks checks the blocks that are made here: header, section, context and
// divider. Slack has more.
func checkBlocks(blocks []map[string]any) (wrong []string) {
	if len(blocks) > 50 {
		return []string{"[ERROR] more than 50 blocks"}
	}
	ids := map[string]bool{}
	for i, b := range blocks {
		bad := func(format string, args ...any) {
			wrong = append(wrong, fmt.Sprintf("[ERROR] "+format+" [json-pointer:/blocks/%d]", append(args, i)...))
		}
		kind, _ := b["type"].(string)
		fields := map[string][]string{"header": {"text"}, "section": {"text", "fields", "expand"}, "context": {"elements"}, "divider": {}}
		known, ok := fields[kind]
		if !ok {
			bad("unsupported type: %q", kind)
			continue
		}
		for field := range b {
			if field != "type" && field != "block_id" && !slices.Contains(known, field) {
				bad("unknown field %q", field)
			}
		}
		if id, ok := b["block_id"].(string); ok {
			if characters(id) > 255 || ids[id] {
				bad("block_id %q is too long or there already", id)
			}
			ids[id] = true
		}
		checkBlock(kind, b, bad)
	}
	return wrong
}

func checkBlock(kind string, b map[string]any, bad func(string, ...any)) {
	switch kind {
	case "header":
		checkText(b["text"], 150, false, bad)
	case "section":
		text, hasText := b["text"]
		fields, hasFields := list(b["fields"])
		if !hasText && !hasFields {
			bad("section with neither text nor fields")
		}
		if hasText {
			checkText(text, 3000, true, bad)
		}
		if hasFields && (len(fields) < 1 || len(fields) > 10) {
			bad("section with %d fields", len(fields))
		}
		for _, f := range fields {
			checkText(f, 2000, true, bad)
		}
	case "context":
		elements, ok := list(b["elements"])
		if !ok || len(elements) < 1 || len(elements) > 10 {
			bad("context with %d elements", len(elements))
		}
		for _, e := range elements {
			if e["type"] != "image" {
				checkText(e, 3000, true, bad)
			}
		}
	}
}

// checkText checks a text object.
func checkText(v any, limit int, mrkdwn bool, bad func(string, ...any)) {
	t, ok := v.(map[string]any)
	if !ok {
		bad("no text object")
		return
	}
	kind, _ := t["type"].(string)
	if kind != "plain_text" && (kind != "mrkdwn" || !mrkdwn) {
		bad("text of type %q", kind)
	}
	for field := range t {
		switch {
		case field == "type", field == "text", field == "emoji" && kind == "plain_text", field == "verbatim" && kind == "mrkdwn":
		default:
			bad("text of type %s with field %q", kind, field)
		}
	}
	text, _ := t["text"].(string)
	if n := characters(text); n < 1 || n > limit {
		bad("text of %d characters, and 1 to %d may be", n, limit)
	}
}

var eventType = regexp.MustCompile(`^[A-Za-z0-9_]{1,255}$`)

// readMetadata reads and checks a message's metadata.
func readMetadata(v any) (*Metadata, *refusal) {
	if text, ok := v.(string); ok {
		if json.Unmarshal([]byte(text), &v) != nil {
			return nil, refuse("invalid_metadata_format")
		}
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, refuse("invalid_metadata_format")
	}
	kind, isText := object["event_type"].(string)
	payload, isObject := object["event_payload"].(map[string]any)
	if !isText || !isObject || len(object) != 2 {
		return nil, refuse("invalid_metadata_format")
	}
	if !eventType.MatchString(kind) {
		return nil, refuse("invalid_metadata_schema", fmt.Sprintf("[ERROR] event_type %q", kind))
	}
	for key, value := range payload {
		if !flat(value, 1) {
			return nil, refuse("invalid_metadata_schema", fmt.Sprintf("[ERROR] event_payload.%s", key))
		}
	}
	return &Metadata{EventType: kind, EventPayload: payload}, nil
}

// flat says that a value is text, a number or a boolean, or within depth an
// object or array of them.
func flat(v any, depth int) bool {
	switch v := v.(type) {
	case string, float64, bool:
		return true
	case map[string]any:
		for _, e := range v {
			if depth == 0 || !flat(e, 0) {
				return false
			}
		}
		return true
	case []any:
		for _, e := range v {
			if depth == 0 || !flat(e, depth) {
				return false
			}
		}
		return true
	}
	return false
}

// entities are the only meanings of &; what else is between < and > must be a
// link, a mention or a date.
var (
	entity = regexp.MustCompile(`&(amp|lt|gt);`)
	angled = regexp.MustCompile(`<(https?://|mailto:|[#@!])[^<>]*>`)
)

// Unescaped returns the characters of a text that mean something in Slack's
// markup and were not escaped: none in a text that was written as it should be.
func Unescaped(text string) string {
	text = entity.ReplaceAllString(angled.ReplaceAllStringFunc(text, func(s string) string { return strings.Trim(s, "<>") }), "")
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("&<>", r) {
			return r
		}
		return -1
	}, text)
}
