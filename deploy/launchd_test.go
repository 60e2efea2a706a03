package deploy

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// TestLaunchd reads the property list as strictly as its document type is: each key
// once, followed by one value, of the types that launchd.plist(5) wants.
func TestLaunchd(t *testing.T) {
	text := read(t, "launchd/com.github.solotick.plist")
	if !bytes.Contains(text, []byte(`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">`)) {
		t.Error("the document type is missing")
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	root, err := element(d)
	if err != nil || root == nil || root.Name.Local != "plist" || len(root.Attr) != 1 || root.Attr[0].Value != "1.0" {
		t.Fatalf("it begins with %v, %v", root, err)
	}
	first, err := element(d)
	if err != nil {
		t.Fatal(err)
	}
	value, err := property(d, first)
	if err != nil {
		t.Fatal(err)
	}
	if end, err := element(d); end != nil || err != nil {
		t.Errorf("after the dictionary: %v, %v", end, err)
	}
	if _, err := element(d); !errors.Is(err, io.EOF) {
		t.Errorf("after the list: %v", err)
	}
	all, ok := value.(map[string]any)
	if !ok {
		t.Fatalf("it holds %T", value)
	}
	types := map[string]string{
		"Label": "string", "ProgramArguments": "[]interface {}", "UserName": "string", "WorkingDirectory": "string", "RunAtLoad": "bool", "KeepAlive": "bool",
		"ThrottleInterval": "int", "ExitTimeOut": "int", "ProcessType": "string", "Umask": "int", "HardResourceLimits": "map[string]interface {}",
		"StandardErrorPath": "string", "StandardOutPath": "string",
	}
	for key, v := range all {
		if got := fmt.Sprintf("%T", v); got != types[key] {
			t.Errorf("%s is a %s, want %q", key, got, types[key])
		}
	}
	if all["Label"] != "com.github.solotick" || all["KeepAlive"] != true || all["RunAtLoad"] != true || all["Umask"] != 0o077 {
		t.Errorf("label %v, keep alive %v, umask %v", all["Label"], all["KeepAlive"], all["Umask"])
	}
	if grace, ok := all["ExitTimeOut"].(int); !ok || grace < 12 {
		t.Errorf("an agent has %v s to end, and may need 10", all["ExitTimeOut"])
	}
	args, ok := all["ProgramArguments"].([]any)
	if !ok || len(args) < 4 || args[1] != "run" || !strings.HasPrefix(fmt.Sprint(args[0]), "/") {
		t.Errorf("it starts %v", args)
	}
}

// element returns the next beginning; nil: the end of what is being read.
func element(d *xml.Decoder) (*xml.StartElement, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			return &token, nil
		case xml.EndElement:
			return nil, nil
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return nil, fmt.Errorf("text where none may be: %q", token)
			}
		}
	}
}

// property reads the value that begins with e.
func property(d *xml.Decoder, e *xml.StartElement) (any, error) {
	switch e.Name.Local {
	case "dict":
		return dictionary(d)
	case "array":
		list := []any{}
		for {
			item, err := element(d)
			if item == nil || err != nil {
				return list, err
			}
			v, err := property(d, item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
	case "true", "false":
		return e.Name.Local == "true", d.Skip()
	case "string", "integer":
		var text string
		if err := d.DecodeElement(&text, e); err != nil || e.Name.Local == "string" {
			return text, err
		}
		return strconv.Atoi(text)
	}
	return nil, fmt.Errorf("a property list has no <%s>", e.Name.Local)
}

func dictionary(d *xml.Decoder) (any, error) {
	all := map[string]any{}
	for {
		e, err := element(d)
		if e == nil || err != nil {
			return all, err
		}
		var key string
		if e.Name.Local != "key" {
			return nil, fmt.Errorf("<%s> in the place of a key", e.Name.Local)
		}
		if err := d.DecodeElement(&key, e); err != nil {
			return nil, err
		}
		if _, twice := all[key]; twice {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		if e, err = element(d); e == nil || err != nil {
			return nil, fmt.Errorf("%s has no value: %w", key, err)
		}
		if all[key], err = property(d, e); err != nil {
			return nil, err
		}
	}
}
