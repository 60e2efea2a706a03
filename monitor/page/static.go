package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed static templates
var files embed.FS

// An asset is a file that pages load. Its name as pages have it holds a part of its
// hash, so that browsers may keep it for ever.
type asset struct {
	kind string
	text []byte
	zip  []byte
	tag  string
}

type assets map[string]asset

var kinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// loadAssets reads them once. It panics if the files that are compiled in are not
// there.
var loadAssets = sync.OnceValue(func() assets {
	all := assets{}
	names, err := fs.Glob(files, "static/*")
	if err != nil || len(names) == 0 {
		panic("page: no assets in this program")
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(text)
		var z bytes.Buffer
		w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression) // the level is a good one
		_, _ = w.Write(text)                                  // nor can writing to memory fail
		_ = w.Close()
		all[path.Base(name)] = asset{kinds[path.Ext(name)], text, z.Bytes(), hex.EncodeToString(sum[:6])}
	}
	return all
})

// address is where a page finds an asset, from the base.
func (a assets) address(name string) string { return "static/" + name + "?" + a[name].tag }

// Style is where the style sheet is, from the base, for pages of others that are to
// look like these.
func Style() string { return loadAssets().address("page.css") }

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	one, ok := a[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", one.kind)
	h.Set("ETag", `"`+one.tag+`"`)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if r.URL.RawQuery == one.tag {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), one.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	text := one.text
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		text = one.zip
	}
	_, _ = w.Write(text) // who has gone reads nothing
}

// loadPages reads the templates once. It panics if one is wrong, which a test finds.
var loadPages = sync.OnceValue(func() map[string]*template.Template {
	funcs := template.FuncMap{"asset": loadAssets().address, "short": short, "tone": tone, "length": length, "plural": plural}
	frame := template.Must(template.New("").Funcs(funcs).ParseFS(files, "templates/page.html", "templates/parts.html"))
	all := map[string]*template.Template{}
	for _, name := range []string{"overview", "job", "wall", "missing"} {
		all[name] = template.Must(template.Must(frame.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return all
})
